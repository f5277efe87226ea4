from batcher.waiter cimport Batch


cdef class Calls:
    cdef readonly Batch batch
    cdef readonly tuple returned
    cdef readonly double call_timeout
    cdef object _engine, _executor, _inline, _loop, _finished, _tell_stuck, _watch

    cpdef bint stuck(self) except -1
    cpdef start(self, Batch batch, list items)
    cpdef collect(self)
    cdef _finish(self, Batch batch, results, error)
