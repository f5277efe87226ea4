cimport cython

cdef double _MEMORY, _SPREAD


cdef class CostModel:
    cdef public double fixed, per_row
    cdef double _weight, _rows, _seconds, _rows_rows, _rows_seconds

    @cython.locals(mean_rows=double, mean_seconds=double, variance=double, covariance=double)
    cpdef observe(self, double rows, double seconds)
    cpdef double seconds(self, double rows, double calls=*)
