cdef class ReadBudget:
    cdef Py_ssize_t _room
    cdef object _kept

    cpdef bint admit(self) except -1
