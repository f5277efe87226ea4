cimport cython

from serving.admission cimport Admission
from serving.fastpath.head_cache cimport Head, HeadCache
from serving.fastpath.hotrequest cimport HotRequest
from serving.fastpath.responses cimport Responses
from serving.exchange cimport Answer
from serving.http.state cimport ConnectionState
from serving.metrics.recorder cimport Recorder

cdef Py_ssize_t _IDLE, _END_LENGTH
cdef bytes _END


cdef class Line(ConnectionState):
    cdef public HeadCache _heads
    cdef public Admission _admission
    cdef public Responses _responses
    cdef public Recorder _predictions
    cdef public bytes _head
    cdef public HotRequest _hot

    @cython.locals(kept=bytes, head=bytes, known=Head, end=Py_ssize_t, missing=Py_ssize_t)
    cpdef receive(self, bytes data)
    @cython.locals(request=HotRequest)
    cpdef ask(self, Head known, bytes data, Py_ssize_t start)
    cpdef queue(self, HotRequest request, body, Py_ssize_t start)
    cpdef answer(self, HotRequest request, Answer answer)
    cpdef write_response(self, HotRequest request, bytes response)
