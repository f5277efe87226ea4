from serving.http.read_budget cimport ReadBudget


cdef class ConnectionState:
    # In the order in which a request touches them.
    cdef public ReadBudget _read_budget
    cdef public Py_ssize_t _reading, _kept
    cdef public object running, flow, transport, cycle, server_state, pipeline, loop
    cdef public object _left, _metrics
    cdef public double _since
    cdef public bint _ended, lost, _held_back
    cdef public Py_ssize_t _before, _chunk, _head_bytes, _wasted
    cdef public object _fault, _last, _limits, _stalled, on_lost
