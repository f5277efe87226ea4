"""What a row is replaced by before it is walked: its ranks, found one by one."""

from cython cimport floating
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t

from forest.native.trees cimport GOES_LEFT, REFUSED, ZERO, ZERO_LEFT, Trees


cdef inline Py_ssize_t rank_of(const floating *thresholds, Py_ssize_t count, floating value) noexcept nogil:
    """How many of some thresholds, one at least, are below a value.

    A binary search without branches: the outcome of a comparison is as good as random.
    """
    cdef const floating *at = thresholds
    cdef Py_ssize_t half
    while count > 1:
        half = count // 2
        at += half if at[half - 1] < value else 0
        count -= half
    return (at - thresholds) + (at[0] < value)


cdef inline Py_ssize_t rank_rows(
    const Trees *trees, const floating *thresholds, const floating *values, Py_ssize_t rows, uint32_t *ranks
) noexcept nogil:
    """Replace each value by its rank, once for each key: how many of the key's thresholds are below it, or its code.

    A missing value has the rank 0, or one above all thresholds', as it goes left or right.

    Returns:
        The position of a value in the matrix that is missing, or no category, where none may be; -1 if there is none.
    """
    cdef Py_ssize_t row, key, left, count
    cdef const uint32_t *features = trees.features
    cdef const uint32_t *offsets = trees.offsets
    cdef const uint32_t *codes = trees.codes
    cdef const uint8_t *missing = trees.missing
    cdef double zero = trees.zero
    cdef floating value
    cdef bint absent
    for row in range(rows):
        for key in range(trees.n_keys):
            value = values[features[key]]
            absent = value != value
            if absent and missing[key] == REFUSED:
                return row * trees.n_features + features[key]
            if zero > 0 and -zero <= value <= zero:
                value = 0
            if missing[key] == ZERO and absent:
                value = 0
                absent = False
            elif missing[key] > ZERO:
                absent = absent or value == 0
            count = offsets[key + 1] - offsets[key]
            if codes[key] > 0:
                if count > 0 and not absent:
                    # The categories are numbers that stand for codes. Any other is none, and refused if NaN is.
                    left = rank_of(thresholds + offsets[key], count, value)
                    if left < count and thresholds[offsets[key] + left] == value:
                        value = <floating>left
                    elif missing[key] == REFUSED:
                        return row * trees.n_features + features[key]
                    else:
                        value = -1
                # Else a category is a number's whole part; any other number has the place behind all codes.
                if absent:
                    ranks[0] = codes[key] + 1
                elif value >= trees.least_code and value < codes[key]:
                    ranks[0] = <uint32_t><int32_t>value
                else:
                    ranks[0] = codes[key]
            elif absent:
                ranks[0] = 0 if missing[key] == GOES_LEFT or missing[key] == ZERO_LEFT else <uint32_t>count
            elif count == 0:
                ranks[0] = 0
            else:
                ranks[0] = <uint32_t>rank_of(thresholds + offsets[key], count, value)
            ranks += 1
        values += trees.n_features
    return -1


cdef inline void narrow(
    const uint32_t *ranks, Py_ssize_t keys, Py_ssize_t rows, int rank_bytes, int row_bytes, char *into
) noexcept nogil:
    """Write ranks in the form that a vector walk looks them up in; they fit, as it takes these trees."""
    cdef Py_ssize_t row, key
    for row in range(rows):
        for key in range(keys):
            if rank_bytes == 1:
                (<uint8_t *>into)[key] = <uint8_t>ranks[key]
            else:
                (<uint16_t *>into)[key] = <uint16_t>ranks[key]
        ranks += keys
        into += row_bytes
