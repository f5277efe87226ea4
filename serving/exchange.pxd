cimport cython


cdef class Query:
    cdef readonly object table, rows
    cdef readonly bint probabilities

    cpdef begin(self, table, rows, bint probabilities)


cdef class Answer:
    cdef list _labels
    cdef readonly object model, batch
    cdef readonly Py_ssize_t start, rows

    cpdef begin(self, list labels, model, batch, Py_ssize_t start, Py_ssize_t rows)
    cpdef first(self)


@cython.locals(query=Query, found=list)
cpdef list tables_of(list queries)

@cython.locals(query=Query)
cpdef bint any_probabilities(list queries) except -1

@cython.locals(query=Query)
cpdef list rows_of(list queries)

@cython.locals(query=Query, start=Py_ssize_t, rows=Py_ssize_t, found=list, answer=Answer)
cpdef list answers(list queries, list labels, model, probabilities)
