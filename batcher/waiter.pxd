cimport cython


cdef class Waiter  # below


cdef class Batch:
    cdef public list waiters
    cdef public Py_ssize_t rows
    cdef public double started, expected, finished
    cdef public bint inline, stuck

    cpdef begin(self, waiters, Py_ssize_t rows, double started, double expected)
    @cython.locals(waiter=Waiter)
    cpdef list enter(self)
    @cython.locals(waiter=Waiter, count=Py_ssize_t)
    cpdef Py_ssize_t still_there(self) except -1
    @cython.locals(waiter=Waiter)
    cpdef list waits(self)


cdef class Waiter:
    cdef public object item
    cdef public Py_ssize_t rows
    cdef public double arrived, deadline
    cdef public bint queued, in_order
    cdef public Batch batch

    cpdef bint done(self) except -1
    cpdef set_result(self, result)
    cpdef set_exception(self, error)
