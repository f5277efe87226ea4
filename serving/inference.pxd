from serving.exchange cimport Query, answers, any_probabilities, rows_of, tables_of


cpdef list infer(list queries)
cpdef bint is_short(double seconds, list queries) except -1
cdef list _of_one(table, list queries)
cdef _predict(engine, matrix)
cpdef _checked(labels, matrix)
