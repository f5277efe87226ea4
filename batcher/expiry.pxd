from batcher.outcomes cimport Outcomes
from batcher.queue cimport Queue


cdef class Expiry:
    cdef Queue _queue
    cdef Outcomes _outcomes
    cdef object _loop, _clock, _expired, _timer
    cdef double _until

    cpdef watch(self, double now)
    cpdef stop(self)
    cpdef expire(self, double now)
