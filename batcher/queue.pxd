cimport cython

from batcher.waiter cimport Waiter

cdef double _NEVER
cdef Py_ssize_t _SPARE


cdef class Deadlines:
    cdef list _heap
    cdef object _order
    cdef Py_ssize_t _room

    cpdef add(self, Waiter waiter)
    cpdef double earliest(self) except? -1
    cpdef list due(self, double now)
    cdef _tidy(self)


cdef class Queue:
    cdef readonly Py_ssize_t rows, items
    cdef list _arrived, _failed
    cdef Py_ssize_t _left
    cdef bint _failed_next
    cdef Deadlines _deadlines
    cdef double _latest, _next

    cpdef add(self, Waiter waiter)
    @cython.locals(waiter=Waiter)
    cpdef put_back(self, waiters)
    cpdef bint retrying(self) except -1
    @cython.locals(waiter=Waiter)
    cpdef double oldest(self) except? -1
    @cython.locals(waiter=Waiter, taken=list)
    cpdef list take(self, limits)
    @cython.locals(each=Waiter)
    cpdef bint remove(self, Waiter waiter) except -1
    cpdef double next_deadline(self)
    @cython.locals(waiter=Waiter, late=list)
    cpdef list expire(self, double now)
    @cython.locals(waiter=Waiter)
    cpdef list clear(self)
    @cython.locals(waiter=Waiter, taken=list, rows=Py_ssize_t, passed=Py_ssize_t)
    cdef list _first(self, Py_ssize_t most_rows, double most_items)
    @cython.locals(count=Py_ssize_t)
    cdef Py_ssize_t _retried(self) except -1
    @cython.locals(waiter=Waiter, count=Py_ssize_t)
    cdef Py_ssize_t _waiting(self, list part) except -1
    cdef _enter_heap(self, Waiter waiter)
    cdef _enter(self, Waiter waiter)
    cdef _leave(self, Waiter waiter)
    cdef _forget(self)
