# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows through trees: ranks, then a walk, then the sum of the leaves, block of rows by block of rows.

``forest/arrays.py`` describes the arrays. There are several walks (``WALKS``): the portable one takes any trees, those
of ``walks/`` need a processor with vectors and trees that fit them. All of them come to the same leaves, which are
added by the same code.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cython cimport floating
from libc.stdint cimport uint8_t, uint32_t, uintptr_t
from libc.string cimport memcpy, strcmp

import numpy as np

from forest.native.checks cimport check_keys, check_leaves, check_sizes, check_words
from forest.native.leader cimport find_leader
from forest.native.portable cimport LANES, MOST_LANES, descend
from forest.native.ranks cimport narrow, rank_rows
from forest.native.trees cimport SCRATCH, Trees, VectorWalk, canopy_avx2, canopy_avx512, ceil_div, prefetch

cdef enum:
    REACHED = 8192  # leaves of a block of rows, by a vector walk
    MOST_LANES_OF_VECTORS = 16
    RANKS = 8 * SCRATCH  # bytes of a block's ranks; what is read beyond the last row's, for a leaf, does not count
    CACHE_LINE = 64
    BETWEEN_CHECKS = 8  # trees that are walked before it is asked again whose class is certain
    SUMS_A_TREE = 4  # of many outputs, so many for each tree between checks

cdef const VectorWalk *VECTOR_WALKS[2]
VECTOR_WALKS[0], VECTOR_WALKS[1] = &canopy_avx2, &canopy_avx512

MAX_KEYS = SCRATCH
"""Most keys: features that are compared, counted again for each way of missing values."""

WALKS = ("portable", *((<bytes>walk.name).decode() for walk in VECTOR_WALKS))
"""The names of all walks."""


cdef class Walk:
    """Walks rows through the trees of one ensemble; safe to call from several threads.

    Args:
        arrays: a ``ForestArrays``.

    Raises:
        ValueError: the arrays would lead a walk astray: out of an array, or round and round.
        TypeError: one of them is of a type that it cannot have.
    """

    cdef readonly Py_ssize_t n_features, n_outputs, n_trees
    cdef Trees _trees
    cdef const VectorWalk *_walk  # NULL: the portable one
    cdef tuple _held
    cdef object _type, _steps
    cdef const uint8_t[::1] _base
    cdef double _divisor
    cdef const double[::1] _enough
    cdef Py_ssize_t _first  # 0: no leads are in use

    def __init__(self, arrays):
        cdef const uint32_t[:, ::1] words = arrays.words
        cdef const uint32_t[::1] trees = arrays.trees, outputs = arrays.outputs, offsets = arrays.offsets
        cdef const uint32_t[::1] features = arrays.features, codes = arrays.codes, sets = arrays.sets
        cdef const uint8_t[::1] missing = arrays.missing
        cdef Trees *found = &self._trees
        if arrays.base.dtype != arrays.leaves.dtype or arrays.base.ndim != 1:
            raise ValueError("the base is not of the leaves' type")
        self._base = arrays.base.view(np.uint8)
        self._type = arrays.base.dtype
        self._divisor = arrays.divisor
        self._walk, self._first = NULL, 0
        found.words, found.n_lines = &words[0, 0], words.shape[0]
        found.trees, found.n_trees, found.outputs = &trees[0], trees.shape[0], &outputs[0]
        found.offsets, found.n_keys = &offsets[0], offsets.shape[0] - 1
        found.features, found.missing, found.codes = &features[0], &missing[0], &codes[0]
        found.sets, found.n_sets = &sets[0], sets.shape[0]
        found.steps = NULL
        found.zero, found.least_code, found.key_bits = arrays.zero, arrays.least_code, arrays.key_bits
        found.n_features, found.n_outputs = arrays.width, len(arrays.base)
        self._hold_numbers(arrays.thresholds, arrays.leaves)
        # What the pointers lead to stays where it is as long as these are held.
        self._held += (words, trees, outputs, offsets, features, codes, sets, missing)
        self.n_features, self.n_outputs, self.n_trees = found.n_features, found.n_outputs, found.n_trees
        check_sizes(found, words.shape[1])
        if outputs.shape[0] != found.n_trees:
            raise ValueError(f"{outputs.shape[0]} trees have outputs, of {found.n_trees}")
        if not features.shape[0] == missing.shape[0] == codes.shape[0] == found.n_keys:
            raise ValueError("the keys do not fit each other")
        check_keys(found)
        check_leaves(found)
        check_words(found)

    cdef _hold_numbers(self, thresholds, leaves):
        """Take the arrays that have one of two types."""
        cdef const float[::1] thresholds32
        cdef const double[::1] thresholds64
        cdef const float[:, ::1] leaves32
        cdef const double[:, ::1] leaves64
        cdef Trees *found = &self._trees
        found.wide, found.double_sums = thresholds.dtype == np.float64, leaves.dtype == np.float64
        if found.wide:
            thresholds64 = thresholds
            found.thresholds, found.n_thresholds = &thresholds64[0], thresholds64.shape[0]
            self._held = (thresholds64,)
        else:
            thresholds32 = thresholds
            found.thresholds, found.n_thresholds = &thresholds32[0], thresholds32.shape[0]
            self._held = (thresholds32,)
        if found.double_sums:
            leaves64 = leaves
            found.leaves, found.n_leaves, found.leaf_width = &leaves64[0, 0], leaves64.shape[0], leaves64.shape[1]
            self._held += (leaves64,)
        else:
            leaves32 = leaves
            found.leaves, found.n_leaves, found.leaf_width = &leaves32[0, 0], leaves32.shape[0], leaves32.shape[1]
            self._held += (leaves32,)

    @property
    def name(self):
        """The name of the walk in use, one of ``WALKS``."""
        return "portable" if self._walk is NULL else self._walk.name.decode()

    def unfit(self, name):
        """Say why a walk cannot be used; None if it can.

        Args:
            name: one of ``WALKS``.
        """
        cdef const VectorWalk *walk = vector_walk(name)
        cdef const char *reason
        if walk is NULL:
            return None
        if not walk.supported():
            return "this processor, or the compiler that built the kernel, does not have it"
        reason = walk.unfit(&self._trees)
        return None if reason is NULL else reason.decode()

    def use(self, name):
        """Use a walk from now on. Unlike ``sums``, this must not be called beside other calls.

        Args:
            name: one of ``WALKS``.

        Raises:
            ValueError: it cannot be used here; the message says why.
        """
        cdef const VectorWalk *walk = vector_walk(name)
        cdef uint32_t[::1] steps
        if reason := self.unfit(name):
            raise ValueError(f"the walk {name} cannot be used: {reason}; the portable one always can")
        self._walk, self._steps, self._trees.steps = walk, None, NULL
        if walk is not NULL and walk.prepare is not NULL:
            self._steps = steps = np.empty(self._trees.n_lines * 16, np.uint32)
            walk.prepare(&self._trees, &steps[0])
            self._trees.steps = &steps[0]

    def sums(self, matrix):
        """Add up the leaves that rows come to.

        Args:
            matrix: (n, n_features) of the thresholds' dtype, C-contiguous. NaN is a missing value.

        Returns:
            (n, n_outputs) of the leaves' dtype.

        Raises:
            ValueError: a shape is wrong, or a value is missing where none may be.
        """
        cdef Py_buffer rows, sums
        # Not by typed memoryviews, which cost a call of one row a fifth of a microsecond each.
        PyObject_GetBuffer(matrix, &rows, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
        try:
            self._check_matrix(&rows)
            out = np.empty((rows.shape[0], self.n_outputs), self._type)
            PyObject_GetBuffer(out, &sums, PyBUF_WRITABLE)
            try:
                self._add_rows(<const char *>rows.buf, <char *>sums.buf, rows.shape[0])
            finally:
                PyBuffer_Release(&sums)
        finally:
            PyBuffer_Release(&rows)
        return out

    def use_leads(self, enough, first):
        """Let rows end where a lead makes them certain. As ``use``, this must not be called beside other calls.

        Args:
            enough: (n_trees,) float64, C-contiguous; after so many trees, by how much the greatest sum must exceed all
                others for its output to be certain, see ``forest.certainty``.
            first: after how many trees this is looked at first, one at least.

        Raises:
            ValueError: the leaves are not float64, or there is no number for each tree.
        """
        cdef const double[::1] leads = enough
        cdef Py_ssize_t start = first
        if not self._trees.double_sums or leads.shape[0] != self.n_trees or start < 1:
            raise ValueError(f"{len(enough)} numbers, from tree {first} on, for {self.n_trees} trees of {self._type}")
        self._enough, self._first = leads, start

    def leaders(self, matrix):
        """Find the output with the greatest sum of each row, the first of equal ones, and walk no further than needed.

        Args:
            matrix: as ``sums`` takes it.

        Returns:
            (n,) intp.

        Raises:
            ValueError: as ``sums`` does; or no leads are in use.
        """
        cdef Py_buffer rows, found
        PyObject_GetBuffer(matrix, &rows, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS)
        try:
            self._check_matrix(&rows)
            out = np.empty(rows.shape[0], np.intp)
            PyObject_GetBuffer(out, &found, PyBUF_WRITABLE)
            try:
                self._label_rows(<const char *>rows.buf, <Py_ssize_t *>found.buf, rows.shape[0])
            finally:
                PyBuffer_Release(&found)
        finally:
            PyBuffer_Release(&rows)
        return out

    cdef int _check_matrix(self, const Py_buffer *rows) except -1:
        cdef const char *format = "d" if self._trees.wide else "f"
        if rows.ndim != 2:
            raise ValueError(f"Buffer has wrong number of dimensions (expected 2, got {rows.ndim})")
        if rows.format is NULL or strcmp(rows.format, format):
            raise ValueError(f"Buffer dtype mismatch, expected {format.decode()!a} but got {rows.format.decode()!a}")
        if rows.shape[1] != self.n_features:
            raise ValueError(f"the matrix has {rows.shape[1]} columns, the model takes {self.n_features}")
        return 0

    cdef Py_ssize_t _block(self, Py_ssize_t n) noexcept:
        """How many of n rows to walk at once: blocks of about one size, for a last one of a few rows costs much."""
        cdef Py_ssize_t blocks = ceil_div(n, min(<Py_ssize_t>LANES, SCRATCH // self._trees.n_keys))
        return ceil_div(n, max(blocks, 1))

    cdef int _add_rows(self, const char *rows, char *sums, Py_ssize_t n) except -1:
        """Add what rows come to, block by block."""
        cdef Py_ssize_t row_size = self.n_features * (8 if self._trees.wide else 4)
        cdef Py_ssize_t sums_size = self._base.shape[0], block = self._block(n), start = 0, fault = -1
        with nogil:
            while start < n and fault < 0:
                fault = self._add_block(rows + start * row_size, sums + start * sums_size, min(block, n - start))
                if fault >= 0:
                    fault += start * self.n_features
                start += block
        return self._check_fault(fault)

    cdef int _label_rows(self, const char *rows, Py_ssize_t *labels, Py_ssize_t n) except -1:
        """Tell the classes of rows, block by block."""
        cdef Py_ssize_t row_size = self.n_features * (8 if self._trees.wide else 4)
        cdef Py_ssize_t block = self._block(n), start = 0, fault = -1
        cdef double *sums
        if self._first == 0:
            raise ValueError("no leads are in use")
        sums = <double *>PyMem_Malloc(block * self.n_outputs * sizeof(double))
        if sums is NULL:
            raise MemoryError
        with nogil:
            while start < n and fault < 0:
                fault = self._label_block(rows + start * row_size, labels + start, sums, min(block, n - start))
                if fault >= 0:
                    fault += start * self.n_features
                start += block
        PyMem_Free(sums)
        return self._check_fault(fault)

    cdef int _check_fault(self, Py_ssize_t fault) except -1:
        if fault >= 0:
            raise ValueError(f"row {fault // self.n_features}, column {fault % self.n_features} is NaN, or no category")
        return 0

    cdef Py_ssize_t _add_block(self, const char *matrix, char *sums, Py_ssize_t rows) noexcept nogil:
        """Add what a block of rows comes to; returns the position of a NaN that may not be, or -1."""
        cdef uint8_t space[RANKS + CACHE_LINE]
        cdef uint8_t *ranks = space + CACHE_LINE - <uintptr_t>&space[0] % CACHE_LINE
        cdef Py_ssize_t fault = self._begin_block(matrix, sums, rows, ranks)
        if fault < 0:
            self._walk_trees(ranks, rows, 0, self.n_trees, sums)
            self._divide(sums, rows)
        return fault

    cdef Py_ssize_t _label_block(
        self, const char *matrix, Py_ssize_t *labels, double *sums, Py_ssize_t rows
    ) noexcept nogil:
        """Tell the classes of a block of rows; returns as ``_add_block`` does.

        A row whose class is certain gives its place to the last one, so that those left stand side by side.
        """
        cdef uint8_t space[RANKS + CACHE_LINE]
        cdef Py_ssize_t places[LANES]
        cdef uint8_t *ranks = space + CACHE_LINE - <uintptr_t>&space[0] % CACHE_LINE
        cdef Py_ssize_t rank_bytes = 4 * self._trees.n_keys if self._walk is NULL else self._walk.row_bytes
        cdef Py_ssize_t lanes = 1 if self._walk is NULL else self._walk.lanes
        cdef Py_ssize_t outputs = self.n_outputs, done = 0, end = self._first, left = rows, row = 0, leader
        cdef double lead, needed
        cdef Py_ssize_t fault = self._begin_block(matrix, <char *>sums, rows, ranks)
        if fault >= 0:
            return fault
        for row in range(rows):
            places[row] = row
        while left:
            # Whole vectors: a few trees of the next one would take as long as all of it.
            end = min(ceil_div(end, lanes) * lanes, self.n_trees)
            self._walk_trees(ranks, left, done, end, <char *>sums)
            done = end
            # A check looks at each sum: so the more there are, the fewer checks.
            end += max(<Py_ssize_t>BETWEEN_CHECKS, outputs // SUMS_A_TREE)
            if done == self.n_trees:
                self._divide(<char *>sums, left)
            # After the last tree whatever leads is the answer: also a lead that is NaN, which no whole forest has.
            needed = self._enough[done] if done < self.n_trees else -1
            row = 0
            while row < left:
                leader = find_leader(sums + row * outputs, outputs, &lead)
                if lead <= needed:
                    row += 1
                    continue
                labels[places[row]] = leader
                left -= 1
                if row < left:
                    places[row] = places[left]
                    memcpy(sums + row * outputs, sums + left * outputs, outputs * sizeof(double))
                    memcpy(ranks + row * rank_bytes, ranks + left * rank_bytes, rank_bytes)
        return -1

    cdef Py_ssize_t _begin_block(
        self, const char *matrix, char *sums, Py_ssize_t rows, uint8_t *ranks
    ) noexcept nogil:
        """Rank the rows, as the walk in use looks ranks up, and let their sums begin; returns as ``_add_block`` does."""
        cdef Py_ssize_t ranked, i
        for i in range(rows):
            memcpy(sums + i * self._base.shape[0], &self._base[0], self._base.shape[0])
        if self._walk is NULL:
            return self._rank(matrix, rows, <uint32_t *>ranks)
        ranked = self._walk.rank(&self._trees, matrix, rows, ranks)
        return -1 if ranked >= rows else self._rank_rest(matrix, rows, max(ranked, 0), ranks)

    cdef void _divide(self, char *sums, Py_ssize_t rows) noexcept nogil:
        cdef Py_ssize_t i
        if self._divisor == 1:
            return
        if self._trees.double_sums:
            for i in range(rows * self.n_outputs):
                (<double *>sums)[i] /= self._divisor
        else:
            for i in range(rows * self.n_outputs):
                (<float *>sums)[i] /= <float>self._divisor

    cdef void _walk_trees(
        self, const uint8_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t end, char *sums
    ) noexcept nogil:
        """Add what rows come to in the trees from one to before another."""
        if self._walk is NULL:
            self._walk_portably(<const uint32_t *>ranks, rows, first, end, sums)
        else:
            self._walk_vectors(ranks, rows, first, end, sums)

    cdef void _walk_portably(
        self, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t end, char *sums
    ) noexcept nogil:
        cdef uint32_t reached[MOST_LANES]
        cdef Py_ssize_t group = ceil_div(LANES, rows), trees
        while first < end:
            trees = min(group, end - first)
            if self._trees.first_category < self._trees.n_keys:
                self._descend_categories(ranks, rows, first, trees, reached)
            else:
                self._descend_numbers(ranks, rows, first, trees, reached)
            self._add(reached, rows, first, trees, sums)
            first += trees

    cdef void _walk_vectors(
        self, const uint8_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t end, char *sums
    ) noexcept nogil:
        cdef uint32_t reached[REACHED]
        cdef Py_ssize_t at, trees, group = ceil_div(LANES, rows)
        cdef Py_ssize_t most = REACHED // rows // MOST_LANES_OF_VECTORS * MOST_LANES_OF_VECTORS
        while first < end:
            trees = min(most, end - first)
            self._walk.descend(&self._trees, ranks, rows, first, trees, reached)
            # In such portions as the portable walk adds, for which leaves are asked ahead of time.
            at = 0
            while at < trees:
                self._add(reached + at * rows, rows, first + at, min(group, trees - at), sums)
                at += group
            first += trees

    cdef Py_ssize_t _rank_rest(
        self, const char *matrix, Py_ssize_t rows, Py_ssize_t done, uint8_t *ranks
    ) noexcept nogil:
        """Rank the rows that a vector walk left to the portable way, which also finds the first value missing."""
        cdef uint32_t wide[2 * SCRATCH]
        cdef Py_ssize_t size = self.n_features * (8 if self._trees.wide else 4)
        cdef Py_ssize_t fault = self._rank(matrix + done * size, rows - done, wide)
        if fault >= 0:
            return fault + done * self.n_features
        narrow(
            wide, self._trees.n_keys, rows - done, self._walk.rank_bytes, self._walk.row_bytes,
            <char *>ranks + done * self._walk.row_bytes,
        )
        return -1

    # Methods, for a compiler may put functions into each other, and what is one long function then is slower.

    cdef Py_ssize_t _rank(self, const char *matrix, Py_ssize_t rows, uint32_t *ranks) noexcept nogil:
        if self._trees.wide:
            return self._rank64(<const double *>matrix, rows, ranks)
        return self._rank32(<const float *>matrix, rows, ranks)

    cdef Py_ssize_t _rank32(self, const float *rows, Py_ssize_t count, uint32_t *ranks) noexcept nogil:
        return rank_rows(&self._trees, <const float *>self._trees.thresholds, rows, count, ranks)

    cdef Py_ssize_t _rank64(self, const double *rows, Py_ssize_t count, uint32_t *ranks) noexcept nogil:
        return rank_rows(&self._trees, <const double *>self._trees.thresholds, rows, count, ranks)

    cdef void _descend_numbers(
        self, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, uint32_t *reached
    ) noexcept nogil:
        descend(&self._trees, False, ranks, rows, first, trees, reached)

    cdef void _descend_categories(
        self, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, uint32_t *reached
    ) noexcept nogil:
        descend(&self._trees, True, ranks, rows, first, trees, reached)

    cdef void _add(
        self, const uint32_t *reached, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, char *sums
    ) noexcept nogil:
        if self._trees.double_sums:
            add(&self._trees, <const double *>self._trees.leaves, reached, rows, first, trees, <double *>sums)
        else:
            add(&self._trees, <const float *>self._trees.leaves, reached, rows, first, trees, <float *>sums)


cdef const VectorWalk *vector_walk(name) except? NULL:
    """The walk of a name; NULL if it is the portable one."""
    for walk in VECTOR_WALKS:
        if walk.name.decode() == name:
            return walk
    if name != "portable":
        raise ValueError(f"there is no walk {name!a}, but {', '.join(WALKS)}")
    return NULL


cdef inline void add(
    const Trees *trees, const floating *leaves, const uint32_t *reached, Py_ssize_t rows, Py_ssize_t first,
    Py_ssize_t count, floating *sums,
) noexcept nogil:
    """Add the leaves in the order of the trees, as every library does."""
    cdef Py_ssize_t width = trees.leaf_width, outputs = trees.n_outputs, tree, row, c, i
    cdef const floating *leaf
    cdef floating *into
    for i in range(rows * count):
        prefetch(leaves + reached[i] * width)
    for tree in range(count):
        into = sums + trees.outputs[first + tree]
        for row in range(rows):
            leaf = leaves + reached[tree * rows + row] * width
            for c in range(width):
                into[c] += leaf[c]
            into += outputs
