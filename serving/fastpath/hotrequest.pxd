from batcher.waiter cimport Waiter


cdef class HotRequest(Waiter):
    cdef public object line, frame, body
    cdef public bint keep_alive, more_body, accepted, response_complete

    cpdef begin(self, line, frame)
