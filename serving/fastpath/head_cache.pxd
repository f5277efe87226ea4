cdef class Head:
    cdef readonly Py_ssize_t length
    cdef readonly object frame
    cdef readonly bint keep_alive


cdef class HeadCache:
    cdef dict _known

    cpdef Head find(self, bytes head)
