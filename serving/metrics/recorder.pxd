cimport cython


cdef class Buckets:
    cdef double[:] _row
    cdef double[::1] _bounds
    cdef Py_ssize_t _place

    @cython.locals(bucket=Py_ssize_t, most=Py_ssize_t)
    cpdef add(self, double value)


cdef class Recorder:
    cdef double[:] _row
    cdef dict _routes
    cdef Py_ssize_t _elsewhere
    cdef Buckets _duration, _wait, _inference, _size

    @cython.locals(place=Py_ssize_t)
    cpdef answered(self, route, double seconds)
    cpdef predicted(self, double seconds)
    @cython.locals(seconds=double)
    cpdef waited(self, list waits)
    cpdef computed(self, double rows, double seconds)
