cimport cython

from batcher.calls cimport Calls
from batcher.estimates cimport ArrivalEstimator, CostModel
from batcher.expiry cimport Expiry
from batcher.outcomes cimport Outcomes
from batcher.policy cimport seconds_left
from batcher.queue cimport Queue
from batcher.waiter cimport Batch, Waiter


cdef class Intake:
    cdef readonly Queue queue
    cdef readonly Expiry expiry
    cdef readonly CostModel cost
    cdef readonly ArrivalEstimator arrivals
    cdef public bint draining, settling
    cdef Calls _calls
    cdef Outcomes _outcomes
    cdef object _limits, _clock, _loop, _turn, _refused
    cdef double _timeout, _most_batch_items
    cdef Py_ssize_t _largest, _most_batch_rows, _most_queue_rows
    cdef bint _turn_due

    @cython.locals(calls=Calls)
    cpdef raise_if_overloaded(self)
    @cython.locals(
        calls=Calls, queue=Queue, running=Batch, rows=Py_ssize_t, total=Py_ssize_t, allowed=double, now=double,
        ahead=double, apart=bint, full=bint
    )
    cpdef enqueue(self, Waiter waiter, timeout=*)
    cpdef wake(self)
    cpdef awake(self)
    cdef _check(self, Py_ssize_t rows, double timeout, double now, Batch running)
    cdef _count(self, refusal)
