cimport cython

cdef Py_ssize_t _PER_TURN


cdef class Recipient:
    cpdef take_up(self, bytes data)


cdef class ReadBudget:
    cdef Py_ssize_t _room
    cdef object _kept

    cpdef bint admit(self) except -1
    cpdef keep(self, Recipient recipient, bytes data)
    @cython.locals(recipient=Recipient, data=bytes)
    cpdef _turn(self)
