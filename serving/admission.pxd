cimport cython

from batcher.intake cimport Intake
from batcher.waiter cimport Waiter
from preprocessing.native._rows cimport RowScanner as _RowScanner
from serving.exchange cimport Query


cdef class Admission:
    cdef readonly object table
    cdef public Intake intake
    cdef _RowScanner _scanner
    cdef object _frame, _timeout
    cdef bint _scanned, _probabilities

    cpdef use(self, table)
    @cython.locals(intake=Intake, query=Query)
    cpdef decode(self, Waiter waiter, frame, body, Py_ssize_t start=*)
    cpdef enqueue(self, Waiter waiter, frame)
