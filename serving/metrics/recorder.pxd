cimport cython


cdef class Recorder:
    cdef double[:] _row
    cdef double[::1] _bounds
    cdef dict _routes
    cdef Py_ssize_t _elsewhere, _duration, _wait

    @cython.locals(place=Py_ssize_t)
    cpdef answered(self, route, double seconds)
    cpdef predicted(self, double seconds)
    @cython.locals(seconds=double)
    cpdef waited(self, list waits)
    @cython.locals(bucket=Py_ssize_t, most=Py_ssize_t)
    cdef _observe(self, Py_ssize_t histogram, double seconds)
