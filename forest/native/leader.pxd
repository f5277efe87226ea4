"""Which of a row's sums is the greatest, and by how much."""


from libc.math cimport INFINITY


cdef inline Py_ssize_t find_leader(const double *sums, Py_ssize_t count, double *lead) noexcept nogil:
    """Find the greatest of some sums, one at least and none of them NaN; of equal ones the first.

    Without branches: which of two sums is greater is as good as random.

    Args:
        lead: gets how far it is above all others; infinity if there is no other.
    """
    cdef Py_ssize_t leader = 0, i
    cdef double best = sums[0], second = -INFINITY, lesser
    for i in range(1, count):
        lesser = best if best < sums[i] else sums[i]
        second = lesser if lesser > second else second
        leader = i if sums[i] > best else leader
        best = sums[i] if sums[i] > best else best
    lead[0] = best - second
    return leader
