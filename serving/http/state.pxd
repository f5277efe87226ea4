cimport cython

from serving.http.read_budget cimport ReadBudget, Recipient

cdef Py_ssize_t _SLICE


cdef class SharedState:
    cdef public bint parting, closed
    cdef public object default_headers


cdef class FlowState:
    cdef public bint read_paused, write_paused
    cdef public bytes held


cdef class ConnectionState(Recipient):
    # In the order in which a request touches them.
    cdef public ReadBudget _read_budget
    cdef public Py_ssize_t _reading, _kept
    cdef public object running
    cdef public FlowState _flow
    cdef public SharedState server_state
    cdef public object transport, cycle, loop, flow, pipeline
    cdef public object _left, _metrics
    cdef public double _since, _patience
    cdef public bytes _partial
    cdef public bint _ended, lost, _held_back
    cdef public Py_ssize_t _before, _chunk, _head_bytes, _wasted
    cdef public object _fault, _last, _limits, _stalled, on_lost

    cpdef receive(self, bytes data)
    cpdef keep(self, bytes data)
    cdef bint may_expire(self, double now) except -1


@cython.locals(connection=ConnectionState)
cpdef expire_all(list connections, double now)
