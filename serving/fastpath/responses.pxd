cimport cython

from serving.exchange cimport Answer
from serving.fastpath.hotrequest cimport HotRequest


cdef class Responses:
    cdef object _defaults, _model, _made, _frame
    cdef bytes _head
    cdef dict _of_frame
    cdef object _refusal, _refused

    cpdef tuple failure(self, error, codec, defaults)
    @cython.locals(made=dict)
    cpdef bytes of(self, Answer answer, HotRequest request, defaults)
    cdef _use(self, defaults, model)
    cdef bytes _response(self, Answer answer, HotRequest request)
