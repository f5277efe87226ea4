# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Link functions in the arithmetic of libraries in C and C++: float32 where they have it, and libm's functions.

numpy's own ``exp`` and ``log`` give other last bits on some processors.
"""

import numpy as np

from libc.math cimport exp, log1p

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
