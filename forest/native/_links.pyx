# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Link functions in the arithmetic of libraries in C and C++: float32 where they have it, and libm's functions.

numpy's own ``exp`` and ``log`` give other last bits on some processors.
"""

import numpy as np

from libc.math cimport INFINITY, exp, log, log1p, pow
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

cdef extern from "math.h" nogil:
    float expf(float)
    float logf(float)
    float fmaxf(float, float)


def expit(const double[::1] values):
    """1 / (1 + exp(-x)): (n,) float64 → (n,) float64."""
    out = np.empty(values.shape[0])
    cdef double[::1] found = out
    cdef Py_ssize_t place
    for place in range(values.shape[0]):
        found[place] = 1.0 / (1.0 + exp(-values[place]))
    return out


def exp_float32(const float[::1] values):
    """(n,) float32 ``expf`` of each number."""
    cdef Py_ssize_t place
    out = np.empty(values.shape[0], dtype=np.float32)
    cdef float[::1] found = out
    with nogil:
        for place in range(values.shape[0]):
            found[place] = expf(values[place])
    return out


def log_float32(const float[::1] values):
    """(n,) float32 ``logf`` of each number."""
    cdef Py_ssize_t place
    out = np.empty(values.shape[0], dtype=np.float32)
    cdef float[::1] found = out
    with nogil:
        for place in range(values.shape[0]):
            found[place] = logf(values[place])
    return out


def softmax_float32(const float[:, ::1] values):
    """(n, n_classes) float32 softmax of each row, with a sum in float64."""
    cdef Py_ssize_t row, column, columns = values.shape[1]
    cdef float most, each
    cdef double total
    out = np.empty((values.shape[0], columns), dtype=np.float32)
    cdef float[:, ::1] found = out
    with nogil:
        for row in range(values.shape[0]):
            most = values[row, 0]
            for column in range(1, columns):
                most = fmaxf(values[row, column], most)
            total = 0
            for column in range(columns):
                each = expf(values[row, column] - most)
                found[row, column] = each
                total += each
            for column in range(columns):
                found[row, column] = found[row, column] / <float>total
    return out


def lightgbm_sigmoid(const double[:, ::1] sums, double slope):
    """1 / (1 + exp(-slope * sum)).

    Args:
        sums: (n, m) float64.
        slope: what multiplies them.

    Returns:
        (n, m) float64.
    """
    out = np.empty((sums.shape[0], sums.shape[1]))
    cdef double[:, ::1] found = out
    cdef Py_ssize_t row, column
    for row in range(sums.shape[0]):
        for column in range(sums.shape[1]):
            found[row, column] = 1.0 / (1.0 + exp(-slope * sums[row, column]))
    return out


def lightgbm_exponential(const double[::1] sums):
    """exp(sum): (n,) float64 → (n,) float64."""
    out = np.empty(sums.shape[0])
    cdef double[::1] found = out
    cdef Py_ssize_t row
    for row in range(sums.shape[0]):
        found[row] = exp(sums[row])
    return out


def lightgbm_softplus(const double[::1] sums):
    """log(1 + exp(sum)): (n,) float64 → (n,) float64."""
    out = np.empty(sums.shape[0])
    cdef double[::1] found = out
    cdef Py_ssize_t row
    for row in range(sums.shape[0]):
        found[row] = log1p(exp(sums[row]))
    return out


def lightgbm_softmax(const double[:, ::1] sums):
    """exp(sum - greatest) of each row, divided by their sum: (n, m) float64 → (n, m) float64."""
    out = np.empty((sums.shape[0], sums.shape[1]))
    cdef double[:, ::1] found = out
    cdef double greatest, total
    cdef Py_ssize_t row, column
    for row in range(sums.shape[0]):
        greatest = sums[row, 0]
        for column in range(1, sums.shape[1]):
            # A NaN is kept only until the next number, as std::max keeps it.
            greatest = greatest if sums[row, column] < greatest else sums[row, column]
        total = 0.0
        for column in range(sums.shape[1]):
            found[row, column] = exp(sums[row, column] - greatest)
            total += found[row, column]
        for column in range(sums.shape[1]):
            found[row, column] /= total
    return out


# CatBoost's exponential is fmath::expd_v of contrib/libs/fmath/fmath.hpp in its source, which library/cpp/fast_exp calls
# with AVX2: powers of 2 from a table of 2,048, times a polynomial.
cdef enum:
    STEP_BITS = 11
    STEPS = 1 << 11
cdef uint64_t _MANTISSA = (<uint64_t>1 << 52) - 1
# Adds the exponent's bias to the whole steps that a number has.
cdef uint64_t _ADJUST = (<uint64_t>1 << (STEP_BITS + 10)) - (<uint64_t>1 << STEP_BITS)
# Added to a number, it leaves the nearest whole number in the lowest bits.
cdef double _ROUND = <double>(<uint64_t>3 << 51)
cdef double _A_STEP = STEPS / log(2.0)
cdef double _OF_A_STEP = 1 / _A_STEP
cdef uint64_t[STEPS] _POWERS


cdef void _fill():
    cdef int place
    cdef double power
    for place in range(STEPS):
        power = pow(2.0, place * (1.0 / STEPS))
        memcpy(&_POWERS[place], &power, 8)
        _POWERS[place] &= _MANTISSA


_fill()


cdef inline double _catboost_exp(double value) noexcept nogil:
    """Of a number from -708.396 to 709.783."""
    cdef double rounded = value * _A_STEP + _ROUND
    cdef uint64_t steps
    memcpy(&steps, &rounded, 8)
    cdef double rest = (rounded - _ROUND) * _OF_A_STEP - value
    cdef uint64_t word = (((steps + _ADJUST) >> STEP_BITS) << 52) | _POWERS[steps & (STEPS - 1)]
    cdef double power
    memcpy(&power, &word, 8)
    cdef double polynomial = (3.0000000027955394 - rest) * (rest * rest) * 0.16666666685227835064 - rest + 1.0
    return polynomial * power


cdef void _catboost_exp_each(double* values, Py_ssize_t count) noexcept nogil:
    """In place; numbers that are out of bounds are treated otherwise among fours than behind the last four."""
    cdef Py_ssize_t place, fours = count - count % 4
    cdef double value
    for place in range(fours):
        value = values[place] if values[place] < 709.78272569338397 else 709.78272569338397
        value = value if value > -708.39641853226408 else -708.39641853226408
        values[place] = _catboost_exp(value)
    for place in range(fours, count):
        value = values[place]
        if value <= -708.39641853226408:
            values[place] = 0
        elif value >= 709.78271289338397:
            values[place] = INFINITY
        else:
            values[place] = _catboost_exp(value)


def catboost_exponential(const double[::1] sums):
    """CatBoost's exp(sum): (n,) float64 → (n,) float64."""
    out = np.array(sums)
    cdef double[::1] found = out
    if found.shape[0]:
        with nogil:
            _catboost_exp_each(&found[0], found.shape[0])
    return out


def catboost_softmax(const double[:, ::1] sums):
    """CatBoost's exp(sum - greatest) of each row, divided by their sum: (n, m) float64 → (n, m) float64."""
    out = np.empty((sums.shape[0], sums.shape[1]))
    cdef double[:, ::1] found = out
    cdef double greatest, total
    cdef Py_ssize_t row, column, columns = sums.shape[1]
    with nogil:
        for row in range(sums.shape[0]):
            greatest = sums[row, 0]
            for column in range(1, columns):
                greatest = sums[row, column] if greatest < sums[row, column] else greatest
            for column in range(columns):
                found[row, column] = sums[row, column] - greatest
            _catboost_exp_each(&found[row, 0], columns)
            total = 0
            for column in range(columns):
                total += found[row, column]
            for column in range(columns):
                found[row, column] /= total
    return out
