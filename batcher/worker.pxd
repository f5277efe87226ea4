cimport cython

from batcher.calls cimport Calls
from batcher.estimates cimport ArrivalEstimator, CostModel
from batcher.expiry cimport Expiry
from batcher.intake cimport Intake
from batcher.outcomes cimport Outcomes
from batcher.policy cimport flush_or_wait
from batcher.queue cimport Queue
from batcher.waiter cimport Batch, Waiter


cdef class Worker:
    cdef readonly Calls calls
    cdef readonly Intake intake
    cdef readonly object drained
    cdef Queue _queue
    cdef Expiry _expiry
    cdef CostModel _cost
    cdef ArrivalEstimator _arrivals
    cdef Outcomes _outcomes
    cdef object _limits, _clock, _loop, _company_timer
    cdef double _idle_since

    @cython.locals(now=double)
    cpdef turn(self)
    cpdef check_drained(self)
    cdef _decide(self, double now)
    @cython.locals(waiters=list, waiter=Waiter, rows=Py_ssize_t, batch=Batch)
    cdef _start(self, double now)
    @cython.locals(waiter=Waiter)
    cpdef _give_up(self, Batch batch)
    @cython.locals(now=double, still_there=Py_ssize_t)
    cpdef _finish(self, Batch batch, results, error)
    @cython.locals(middle=Py_ssize_t)
    cdef _divide(self, Batch batch, error)
