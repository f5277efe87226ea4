# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The common body, ``{"features": ...}`` of plain numbers, straight into the model's matrix.

What is read here is read as msgspec reads it, to the last bit. Whatever is not beyond doubt is left to it: another form,
a fault, a name, an exponent, a number of which more than one operation would be needed.
"""

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cython cimport floating
from libc.math cimport NAN, floor
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memset

import numpy as np

cdef enum:
    EXACT_POWERS = 23  # of ten, which a double has exactly: 10**0 to 10**22
    FIRST_ROWS = 1  # for which there is room at first
    ZERO = 48  # ASCII's 0

cdef uint64_t EXACT = 1 << 53  # up to here every whole number is a double
cdef double[EXACT_POWERS] POWERS
cdef int power
for power in range(EXACT_POWERS):
    POWERS[power] = 10.0 ** power

cdef char *NAME = b'"features"'
cdef enum:
    NAME_LENGTH = 10


cdef class PackedRows:
    """Validated rows of fields: (n, n_fields) float64, row by row; a missing value is NaN."""

    def __cinit__(self):
        self.values = NULL
        self.rows = 0

    def __dealloc__(self):
        PyMem_Free(self.values)

    def __len__(self):
        return self.rows

    def array(self):
        """A copy: (n, n_fields) float64."""
        copy = np.empty((self.rows, self.width), dtype=np.float64)
        cdef double[:, ::1] out = copy
        cdef Py_ssize_t row, field
        for row in range(self.rows):
            for field in range(self.width):
                out[row, field] = self.values[row * self.width + field]
        return copy


cdef class RowScanner:
    """Reads rows of fields.

    Args:
        least: (n_fields,) float64, the least number that each field may have.
        greatest: (n_fields,) float64, the greatest.
        whole: (n_fields,) bool, whether it must be whole.
        missing: (n_fields,) bool, whether it may be missing.
        max_rows: most rows of a request.
    """

    def __init__(self, least, greatest, whole, missing, Py_ssize_t max_rows):
        self._least = np.ascontiguousarray(least, dtype=np.float64)
        self._greatest = np.ascontiguousarray(greatest, dtype=np.float64)
        self._whole = np.ascontiguousarray(whole, dtype=np.uint8)
        self._missing = np.ascontiguousarray(missing, dtype=np.uint8)
        self._width = len(self._least)
        self._max_rows = max_rows

    cpdef PackedRows scan(self, body, Py_ssize_t start=0):
        """Read a body.

        Args:
            body: bytes or a bytearray; the body begins at ``start``.
            start: where.

        Returns:
            Its rows; None if they are to be read in another way.
        """
        cdef const char *at
        cdef const char *end
        if type(body) is bytes:
            at = PyBytes_AS_STRING(body)
            end = at + PyBytes_GET_SIZE(body)
        elif type(body) is bytearray:
            at = PyByteArray_AS_STRING(body)
            end = at + PyByteArray_GET_SIZE(body)
        else:
            return None
        if not 0 <= start <= end - at:
            return None
        cdef PackedRows rows = PackedRows.__new__(PackedRows)
        rows.width = self._width
        return rows if self._scan(at + start, end, rows) else None

    cdef bint _scan(self, const char *at, const char *end, PackedRows rows) except -1:
        """Whether a body, which a zero byte follows, was read."""
        at = blanks(at)
        if at[0] != b"{":
            return False
        at = blanks(at + 1)
        if end - at < NAME_LENGTH or memcmp(at, NAME, NAME_LENGTH) != 0:
            return False
        at = blanks(at + NAME_LENGTH)
        if at[0] != b":":
            return False
        at = blanks(at + 1)
        if at[0] != b"[":
            return False
        cdef Py_ssize_t room = FIRST_ROWS
        rows.values = <double *>PyMem_Malloc(room * self._width * sizeof(double))
        if rows.values == NULL:
            raise MemoryError
        cdef const char *first = blanks(at + 1)
        if first[0] != b"[":
            at = self._row(at, rows.values)
            rows.rows = 1
        else:
            at = first
            while True:
                if rows.rows == self._max_rows:
                    return False
                if rows.rows == room:
                    room = min(2 * room, self._max_rows)
                    grown = PyMem_Realloc(rows.values, room * self._width * sizeof(double))
                    if grown == NULL:
                        raise MemoryError
                    rows.values = <double *>grown
                at = self._row(at, rows.values + rows.rows * self._width)
                if at == NULL:
                    return False
                rows.rows += 1
                at = blanks(at)
                if at[0] == b"]":
                    break
                if at[0] != b",":
                    return False
                at = blanks(at + 1)
            at += 1
            grown = PyMem_Realloc(rows.values, rows.rows * self._width * sizeof(double))  # what is left over goes back
            if grown != NULL:
                rows.values = <double *>grown
        if at == NULL:
            return False
        at = blanks(at)
        if at[0] != b"}":
            return False
        return blanks(at + 1) == end

    cdef const char *_row(self, const char *at, double *out) noexcept:
        """Read one row; returns what follows, NULL if it was not read."""
        cdef Py_ssize_t field
        cdef double value
        if at[0] != b"[":
            return NULL
        at += 1
        for field in range(self._width):
            at = blanks(at)
            if at[0] == b"n" and self._missing[field]:
                if at[1] != b"u" or at[2] != b"l" or at[3] != b"l":
                    return NULL
                at += 4
                out[field] = NAN
            else:
                at = number(at, &value)
                if at == NULL or not self._least[field] <= value <= self._greatest[field]:
                    return NULL
                if self._whole[field] and value != floor(value):
                    return NULL
                out[field] = value
            at = blanks(at)
            if (at[0] != b"]") if field == self._width - 1 else (at[0] != b","):
                return NULL
            at += 1
        return at


cdef inline const char *blanks(const char *at) noexcept nogil:
    """What follows the blanks of JSON."""
    while at[0] == b" " or at[0] == b"\n" or at[0] == b"\r" or at[0] == b"\t":
        at += 1
    return at


cdef inline const char *append_digits(const char *at, uint64_t *number) noexcept nogil:
    """Append the digits that stand here to a whole number; returns what follows, NULL if it exceeds 2**53 on the way."""
    while b"0" <= at[0] <= b"9":
        if number[0] >= EXACT:
            return NULL
        number[0] = 10 * number[0] + <uint64_t>(at[0] - ZERO)
        at += 1
    return at


cdef inline const char *number(const char *at, double *value) noexcept nogil:
    """Read a number of JSON by one exact operation or none; returns what follows, NULL if that cannot be.

    A whole number below 2**53 and a power of ten up to 10**22 are doubles, and IEEE 754 rounds their quotient rightly:
    W. D. Clinger, How to Read Floating Point Numbers Accurately (1990).
    """
    cdef bint negative = at[0] == b"-"
    cdef uint64_t digits = 0
    cdef int places = 0
    cdef const char *first
    if negative:
        at += 1
    first = at
    at = append_digits(at, &digits)
    if at == NULL or at == first or (first[0] == b"0" and at - first > 1):
        return NULL
    if at[0] == b".":
        first = at + 1
        at = append_digits(first, &digits)
        if at == NULL:
            return NULL
        places = <int>(at - first)
        if places == 0 or places >= EXACT_POWERS:
            return NULL
    if at[0] == b"e" or at[0] == b"E" or digits > EXACT or (negative and digits == 0):
        return NULL
    value[0] = <double>digits / POWERS[places]
    if negative:
        value[0] = -value[0]
    return at


cdef class RowWriter:
    """Writes the model's columns for packed rows into a matrix.

    Args:
        widths: (n_fields,) whole numbers: the columns that a category becomes, 0 for a field that is one as it is.
        matrix: (max_rows, n_columns) float32 or float64, C-contiguous.

    Raises:
        ValueError: the matrix has another shape or type.
    """

    def __init__(self, widths, matrix):
        self._widths = np.ascontiguousarray(widths, dtype=np.intp)
        columns = int(np.maximum(self._widths, 1).sum())
        if matrix.shape[1] != columns:
            raise ValueError(f"the matrix has {matrix.shape[1]} columns, and not {columns}")
        # Held, for a typed memoryview that is made for each call would cost more than writing a row.
        self._wide, self._room = matrix.dtype == np.float64, len(matrix)
        if self._wide:
            self._doubles = matrix
        else:
            self._floats = matrix

    def write(self, list parts, Py_ssize_t start=0):
        """Write rows below each other.

        Args:
            parts: their codes are in range.
            start: where the first of them goes.

        Returns:
            How many rows they have; -1 if not all are ``PackedRows`` or there is no room, and then nothing was written.

        Raises:
            ValueError: they are of another table.
        """
        cdef Py_ssize_t row = start, each
        cdef PackedRows rows
        if start < 0:
            return -1
        for part in parts:
            if type(part) is not PackedRows:
                return -1
            rows = <PackedRows>part
            if rows.width != len(self._widths):
                raise ValueError("the rows do not fit the matrix")
            row += rows.rows
        if row > self._room:
            return -1
        row = start
        for part in parts:
            rows = <PackedRows>part
            for each in range(rows.rows):
                if self._wide:
                    self._write(rows.values + each * rows.width, &self._doubles[row, 0])
                else:
                    self._write(rows.values + each * rows.width, &self._floats[row, 0])
                row += 1
        return row - start

    cdef void _write(self, const double *row, floating *out) noexcept:
        cdef Py_ssize_t field, width
        for field in range(len(self._widths)):
            width = self._widths[field]
            if width == 0:
                out[0] = <floating>row[field]
                out += 1
            else:
                memset(out, 0, width * sizeof(floating))
                out[<Py_ssize_t>row[field]] = 1
                out += width
