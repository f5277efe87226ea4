from batcher.waiter cimport Waiter


cdef class Deadlines:
    cdef list _heap
    cdef object _order
    cdef Py_ssize_t _room

    cpdef add(self, Waiter waiter)
    cpdef double earliest(self) except? -1
    cpdef list due(self, double now)
    cdef _tidy(self)
