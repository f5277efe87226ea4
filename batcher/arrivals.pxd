cimport cython

cdef double _NEWEST, _NEVER


cdef class ArrivalEstimator:
    cdef public Py_ssize_t callers
    cdef public double gap, last

    @cython.locals(gap=double)
    cpdef arrival(self, double now, double pause)
    cpdef answered(self, double now, Py_ssize_t callers)
