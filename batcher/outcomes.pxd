cimport cython

from batcher.waiter cimport Batch, Waiter


cdef class BatchEvent:
    cdef readonly list waits
    cdef readonly Py_ssize_t rows
    cdef readonly double duration
    cdef readonly object error


cdef class Counts:
    cdef public Py_ssize_t accepted, answered, failed, cancelled, expired, dropped
    cdef public Py_ssize_t queue_full, deadline_unreachable
    cdef public Py_ssize_t batches, batched_rows, failed_batches


cdef class Outcomes:
    cdef readonly Counts counts
    cdef object _loop, _observer

    @cython.locals(place=Py_ssize_t, waiter=Waiter)
    cpdef answer(self, Batch batch, results, Py_ssize_t waiting)
    cpdef fail(self, Waiter waiter, error, count)
    cpdef observe(self, Batch batch, error)
