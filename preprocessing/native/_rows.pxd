from cython cimport floating


cdef class PackedRows:
    cdef double *values
    cdef readonly Py_ssize_t rows, width


cdef class RowScanner:
    cdef double[::1] _least, _greatest
    cdef unsigned char[::1] _whole, _missing
    cdef Py_ssize_t _width, _max_rows

    cpdef PackedRows scan(self, body, Py_ssize_t start=*)
    cdef bint _scan(self, const char *at, const char *end, PackedRows rows) except -1
    cdef const char *_row(self, const char *at, double *out) noexcept


cdef class RowWriter:
    cdef Py_ssize_t[::1] _widths
    cdef float[:, ::1] _floats
    cdef double[:, ::1] _doubles
    cdef Py_ssize_t _room
    cdef bint _wide

    cdef void _write(self, const double *row, floating *out) noexcept
