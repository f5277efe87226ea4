cimport cython

cdef double _APART, _NEWEST, _NEVER, _PAUSE
cdef Py_ssize_t _LOOK_ROUND
cdef double _MEMORY, _SPREAD


cdef class ArrivalEstimator:
    cdef public Py_ssize_t callers
    cdef public double gap, last
    cdef readonly Py_ssize_t alone
    cdef bint _apart

    @cython.locals(gap=double)
    cpdef bint arrival(self, double now, double call) except -1
    cpdef answered(self, double now, Py_ssize_t callers)


cdef class CostModel:
    cdef public double fixed, per_row
    cdef double _weight, _rows, _seconds, _rows_rows, _rows_seconds

    @cython.locals(mean_rows=double, mean_seconds=double, variance=double, covariance=double)
    cpdef observe(self, double rows, double seconds)
    cpdef double seconds(self, double rows, double calls=*)
