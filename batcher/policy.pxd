cimport cython

from batcher.estimates cimport ArrivalEstimator, CostModel


@cython.locals(missing=Py_ssize_t, call_timeout=double, until=double)
cpdef flush_or_wait(
    limits, CostModel cost, ArrivalEstimator arrivals, double now, Py_ssize_t rows, Py_ssize_t items, double since
)

@cython.locals(most_rows=Py_ssize_t, most_items=double)
cpdef Py_ssize_t items_per_batch(limits, Py_ssize_t rows, Py_ssize_t items) except -1

cpdef double seconds_left(double now, double started, double expected) except? -1
