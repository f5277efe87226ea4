# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The walk: many rows through many trees, in the layout that ``forest/arrays.py`` describes.

A step needs the word of a node, one rank of the row and the header of the word's cache line. Big ensembles do not fit
into a core's caches, so what costs time is waiting for lines. Hence many paths (lanes) are walked side by side, one
step each in turn: a lane asks for its next word at the end of its step, and by its next turn the word is there.
"""

from cython cimport floating
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.string cimport memcpy

import numpy as np

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define CANOPY_PREFETCH(address) __builtin_prefetch(address)
    #else
    #define CANOPY_PREFETCH(address) ((void)0)
    #endif
    """
    void prefetch "CANOPY_PREFETCH"(const void *address) noexcept nogil

cdef enum:
    LINE = 16  # words in a line: a header, one unused, then seven pairs
    ROOT = 2  # the word of a tree's root in its first line
    LEAF = 0x01
    PAIR = 0x0E
    DELTA = 0xF0
    NEXT = 0xFE
    PAYLOAD = 8  # the bits below it are the four fields above
    LANES = 128  # paths walked side by side; enough for a line from memory to arrive within one round
    MOST_LANES = 2 * LANES
    ROUNDS = 4  # steps of every lane before those that have come to a leaf are taken out
    MOST_CODES = 1 << 24  # of a category
    SCRATCH = 8192  # ranks of a block of rows, kept on the stack

cdef enum:  # forest.ensemble.Missing
    REFUSED = 0
    GOES_LEFT = 1
    GOES_RIGHT = 2
    ZERO = 3
    ZERO_LEFT = 4
    ZERO_RIGHT = 5

MAX_KEYS = SCRATCH
"""Most keys: features that are compared, counted again for each way of missing values."""

ctypedef struct Lane:
    uint32_t word
    uint32_t row


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef class Walk:
    """Walks rows through the trees of one ensemble; safe to call from several threads.

    Args:
        arrays: a ``ForestArrays``.

    Raises:
        ValueError: the arrays would lead a walk astray: out of an array, or round and round.
        TypeError: one of them is of a type that it cannot have.
    """

    cdef readonly Py_ssize_t n_features, n_outputs, n_trees
    cdef Py_ssize_t _keys, _first_category, _leaf_width
    cdef bint _wide, _double
    cdef const uint32_t[:, ::1] _words
    cdef const uint32_t[::1] _trees, _outputs, _offsets, _features, _codes, _sets
    cdef const uint8_t[::1] _missing
    cdef const float[::1] _thresholds32
    cdef const double[::1] _thresholds64
    cdef const float[:, ::1] _leaves32
    cdef const double[:, ::1] _leaves64
    cdef const uint8_t[::1] _base
    cdef object _type
    cdef double _divisor, _zero, _least_code
    cdef int _bits

    def __init__(self, arrays):
        self._words, self._trees, self._outputs = arrays.words, arrays.trees, arrays.outputs
        self._offsets, self._sets = arrays.offsets, arrays.sets
        self._features, self._missing, self._codes = arrays.features, arrays.missing, arrays.codes
        self._wide, self._double = arrays.thresholds.dtype == np.float64, arrays.leaves.dtype == np.float64
        if self._wide:
            self._thresholds64 = arrays.thresholds
        else:
            self._thresholds32 = arrays.thresholds
        if self._double:
            self._leaves64 = arrays.leaves
        else:
            self._leaves32 = arrays.leaves
        if arrays.base.dtype != arrays.leaves.dtype or arrays.base.ndim != 1:
            raise ValueError("the base is not of the leaves' type")
        self._base = arrays.base.view(np.uint8)
        self._type = arrays.base.dtype
        self._divisor, self._zero, self._least_code = arrays.divisor, arrays.zero, arrays.least_code
        self._bits = arrays.key_bits
        self.n_features, self.n_outputs, self.n_trees = arrays.width, len(arrays.base), self._trees.shape[0]
        self._keys, self._leaf_width = self._offsets.shape[0] - 1, arrays.leaves.shape[1]
        self._check_tables(len(arrays.leaves), len(arrays.thresholds))
        cdef Py_ssize_t at, leaves = len(arrays.leaves)
        with nogil:
            at = self._first_fault(leaves)
        if at >= 0:
            raise ValueError(f"word {at % LINE} of line {at // LINE} leads astray")

    def sums(self, matrix):
        """Add up the leaves that rows come to.

        Args:
            matrix: (n, n_features) of the thresholds' dtype, C-contiguous. NaN is a missing value.

        Returns:
            (n, n_outputs) of the leaves' dtype.

        Raises:
            ValueError: a shape is wrong, or a value is missing where none may be.
        """
        cdef Py_ssize_t n, width, blocks, block, start = 0, fault = -1
        cdef const float[:, ::1] rows32
        cdef const double[:, ::1] rows64
        cdef float[:, ::1] sums32
        cdef double[:, ::1] sums64
        cdef const char *rows
        cdef char *sums
        cdef Py_ssize_t row_size = self.n_features * (8 if self._wide else 4)
        cdef Py_ssize_t sums_size = self.n_outputs * (8 if self._double else 4)
        if self._wide:
            rows64 = matrix
            n, width = rows64.shape[0], rows64.shape[1]
        else:
            rows32 = matrix
            n, width = rows32.shape[0], rows32.shape[1]
        if width != self.n_features:
            raise ValueError(f"the matrix has {width} columns, the model takes {self.n_features}")
        out = np.empty((n, self.n_outputs), self._type)
        if n == 0:
            return out
        rows = <const char *>&rows64[0, 0] if self._wide else <const char *>&rows32[0, 0]
        if self._double:
            sums64 = out
            sums = <char *>&sums64[0, 0]
        else:
            sums32 = out
            sums = <char *>&sums32[0, 0]
        # Blocks of about one size: a last block of a few rows would cost nearly as much as a full one.
        blocks = ceil_div(n, min(<Py_ssize_t>LANES, SCRATCH // self._keys))
        block = ceil_div(n, blocks)
        with nogil:
            while start < n and fault < 0:
                fault = self._add_block(rows + start * row_size, sums + start * sums_size, min(block, n - start))
                if fault >= 0:
                    fault += start * self.n_features
                start += block
        if fault >= 0:
            raise ValueError(f"row {fault // self.n_features}, column {fault % self.n_features} is NaN, or no category")
        return out

    cdef Py_ssize_t _add_block(self, const char *matrix, char *sums, Py_ssize_t rows) noexcept nogil:
        """Add what a block of rows comes to; returns the position of a NaN that may not be, or -1."""
        cdef uint32_t ranks[2 * SCRATCH]  # what is read beyond the last row, for a leaf, does not count
        cdef uint32_t reached[MOST_LANES]
        cdef Py_ssize_t group = ceil_div(LANES, rows), first = 0, trees, i
        if self._wide:
            i = self._rank64(<const double *>matrix, rows, ranks)
        else:
            i = self._rank32(<const float *>matrix, rows, ranks)
        if i >= 0:
            return i
        for i in range(rows):
            memcpy(sums + i * self._base.shape[0], &self._base[0], self._base.shape[0])
        while first < self.n_trees:
            trees = min(group, self.n_trees - first)
            if self._first_category < self._keys:
                self._descend_categories(ranks, rows, first, trees, reached)
            else:
                self._descend_numbers(ranks, rows, first, trees, reached)
            if self._double:
                self._add64(reached, rows, first, trees, <double *>sums)
            else:
                self._add32(reached, rows, first, trees, <float *>sums)
            first += trees
        if self._divisor != 1:
            if self._double:
                for i in range(rows * self.n_outputs):
                    (<double *>sums)[i] /= self._divisor
            else:
                for i in range(rows * self.n_outputs):
                    (<float *>sums)[i] /= <float>self._divisor
        return -1

    # Methods, for a compiler may put functions into each other, and what is one long function then is slower.

    cdef Py_ssize_t _rank32(self, const float *rows, Py_ssize_t count, uint32_t *ranks) noexcept nogil:
        return rank_rows(self, &self._thresholds32[0], rows, count, ranks)

    cdef Py_ssize_t _rank64(self, const double *rows, Py_ssize_t count, uint32_t *ranks) noexcept nogil:
        return rank_rows(self, &self._thresholds64[0], rows, count, ranks)

    cdef void _descend_numbers(
        self, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, uint32_t *reached
    ) noexcept nogil:
        descend(self, False, ranks, rows, first, trees, reached)

    cdef void _descend_categories(
        self, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, uint32_t *reached
    ) noexcept nogil:
        descend(self, True, ranks, rows, first, trees, reached)

    cdef void _add32(
        self, const uint32_t *reached, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, float *sums
    ) noexcept nogil:
        add(self, &self._leaves32[0, 0], reached, rows, first, trees, sums)

    cdef void _add64(
        self, const uint32_t *reached, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, double *sums
    ) noexcept nogil:
        add(self, &self._leaves64[0, 0], reached, rows, first, trees, sums)

    cdef _check_tables(self, Py_ssize_t leaves, Py_ssize_t thresholds):
        """Check all but the words."""
        cdef Py_ssize_t lines = self._words.shape[0], i, size
        if self._words.shape[1] != LINE or not 1 <= lines <= (<Py_ssize_t>1 << 32) // LINE:
            raise ValueError(f"({lines}, {self._words.shape[1]}) words are no lines of {LINE}")
        if not 1 <= self._bits <= 32 - PAYLOAD:
            raise ValueError(f"{self._bits} key bits")
        # Not more bits than needed: the step of a leaf takes some of the leaf's number for a key.
        if not 1 <= self._keys <= min(<Py_ssize_t>SCRATCH, 1 << self._bits) or (
            self._bits > 1 and self._keys <= 1 << (self._bits - 1)
        ):
            raise ValueError(f"{self._keys} keys, with {self._bits} key bits")
        if self.n_features < 1:
            raise ValueError("no columns")
        if self.n_trees < 1:
            raise ValueError("no trees")
        if not self._least_code > -1:  # a code is not negative
            raise ValueError(f"the least category is {self._least_code}")
        for i in range(self.n_trees):
            if self._trees[i] >= lines:
                raise ValueError(f"tree {i} begins at line {self._trees[i]} of {lines}")
        if leaves < 1 or self._leaf_width < 1 or self.n_outputs < 1:
            raise ValueError("no leaves, or no outputs")
        if self._outputs.shape[0] != self.n_trees:
            raise ValueError(f"{self._outputs.shape[0]} trees have outputs, of {self.n_trees}")
        for i in range(self.n_trees):
            if <Py_ssize_t>self._outputs[i] + self._leaf_width > self.n_outputs:
                raise ValueError(f"tree {i} adds to output {self._outputs[i]} of {self.n_outputs}")
        if self._offsets[0] != 0 or self._offsets[self._keys] != thresholds:
            raise ValueError("the offsets do not span the thresholds")
        if not self._features.shape[0] == self._missing.shape[0] == self._codes.shape[0] == self._keys:
            raise ValueError("the keys do not fit each other")
        self._first_category = self._keys
        for i in range(self._keys):
            if self._offsets[i] > self._offsets[i + 1]:
                raise ValueError(f"the offsets fall after key {i}")
            if self._features[i] >= self.n_features:
                raise ValueError(f"key {i} is of column {self._features[i]} of {self.n_features}")
            if self._missing[i] > ZERO_RIGHT:
                raise ValueError(f"key {i} has missing values of the kind {self._missing[i]}")
            if self._codes[i] == 0 and self._first_category < i:
                raise ValueError(f"key {i} is a number behind a category")
            if self._codes[i] > 0:
                self._first_category = min(self._first_category, i)
                size = set_size(self._codes[i])
                if self._codes[i] > MOST_CODES or size > self._sets.shape[0]:
                    raise ValueError(f"key {i} has {self._codes[i]} codes, for which there are no sets")

    cdef Py_ssize_t _first_fault(self, Py_ssize_t leaves) noexcept nogil:
        """Find the first word that could lead a walk out of the arrays, or back to where it was; -1 if there is none.

        Also words that no walk comes by are held to the rules, so that each is looked at once, without walking.
        A step out of a line leads to a later line, a step within a line to a later pair: so every walk ends.
        """
        cdef Py_ssize_t lines = self._words.shape[0], line, i, sets = self._sets.shape[0]
        cdef int rank_at = PAYLOAD + self._bits
        cdef uint32_t key_mask = (<uint32_t>1 << self._bits) - 1
        cdef uint32_t n_leaves = <uint32_t>min(leaves, <Py_ssize_t>1 << 24)
        cdef uint32_t word, pair, key
        cdef uint32_t base
        cdef const uint32_t *words
        for line in range(lines):
            words = &self._words[line, 0]
            for i in range(ROOT, LINE):
                word = words[i]
                if word & LEAF:
                    if word >> PAYLOAD >= n_leaves:
                        return line * LINE + i
                    continue
                pair = word & PAIR
                key = word >> PAYLOAD & key_mask
                if pair == 0 or key >= self._keys:
                    return line * LINE + i
                # A set lies within the sets, whatever the code.
                if self._codes[key] > 0 and <Py_ssize_t>(word >> rank_at) + set_size(self._codes[key]) > sets:
                    return line * LINE + i
                if word & DELTA:
                    # The header is 16 below the first word of the first line that the line leads to.
                    base = words[0] + (word & DELTA)
                    if base % LINE or base // LINE <= line or base // LINE >= lines:
                        return line * LINE + i
                elif pair <= (i & PAIR):
                    return line * LINE + i
        return -1


cdef inline Py_ssize_t set_size(uint32_t codes) noexcept nogil:
    """Words of a set: a bit for each code, one for any other value, and one for a missing one."""
    return (<Py_ssize_t>codes + 2 + 31) // 32


cdef inline Py_ssize_t rank_of(const floating *thresholds, Py_ssize_t count, floating value) noexcept nogil:
    """How many of some thresholds, one at least, are below a value.

    A binary search without branches: the outcome of a comparison is as good as random.
    """
    cdef const floating *at = thresholds
    cdef Py_ssize_t half
    while count > 1:
        half = count // 2
        at += half if at[half - 1] < value else 0
        count -= half
    return (at - thresholds) + (at[0] < value)


cdef inline Py_ssize_t rank_rows(
    Walk walk, const floating *thresholds, const floating *values, Py_ssize_t rows, uint32_t *ranks
) noexcept nogil:
    """Replace each value by its rank, once for each key: how many of the key's thresholds are below it, or its code.

    A missing value has the rank 0, or one above all thresholds', as it goes left or right.
    """
    cdef Py_ssize_t row, key, left, count
    cdef const uint32_t *features = &walk._features[0]
    cdef const uint32_t *offsets = &walk._offsets[0]
    cdef const uint32_t *codes = &walk._codes[0]
    cdef const uint8_t *missing = &walk._missing[0]
    cdef double zero = walk._zero
    cdef floating value
    cdef bint absent
    for row in range(rows):
        for key in range(walk._keys):
            value = values[features[key]]
            absent = value != value
            if absent and missing[key] == REFUSED:
                return row * walk.n_features + features[key]
            if zero > 0 and -zero <= value <= zero:
                value = 0
            if missing[key] == ZERO and absent:
                value = 0
                absent = False
            elif missing[key] > ZERO:
                absent = absent or value == 0
            count = offsets[key + 1] - offsets[key]
            if codes[key] > 0:
                if count > 0 and not absent:
                    # The categories are numbers that stand for codes. Any other is none, and refused if NaN is.
                    left = rank_of(thresholds + offsets[key], count, value)
                    if left < count and thresholds[offsets[key] + left] == value:
                        value = <floating>left
                    elif missing[key] == REFUSED:
                        return row * walk.n_features + features[key]
                    else:
                        value = -1
                # Else a category is a number's whole part; any other number has the place behind all codes.
                if absent:
                    ranks[0] = codes[key] + 1
                elif value >= walk._least_code and value < codes[key]:
                    ranks[0] = <uint32_t><int32_t>value
                else:
                    ranks[0] = codes[key]
            elif absent:
                ranks[0] = 0 if missing[key] == GOES_LEFT or missing[key] == ZERO_LEFT else <uint32_t>count
            elif count == 0:
                ranks[0] = 0
            else:
                ranks[0] = <uint32_t>rank_of(thresholds + offsets[key], count, value)
            ranks += 1
        values += walk.n_features
    return -1


cdef inline void descend(
    Walk walk, bint categories, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees,
    uint32_t *reached,
) noexcept nogil:
    """Walk every row down some trees; ``reached`` gets the leaves, tree by tree.

    ``categories`` is a constant wherever this is called, so that a walk without them has no step for them.
    """
    cdef Lane lanes[MOST_LANES]
    cdef uint8_t path[MOST_LANES]
    cdef const uint32_t *words = &walk._words[0, 0]
    cdef const uint32_t *sets = NULL
    cdef int rank_at = PAYLOAD + walk._bits
    cdef uint32_t key_mask = (<uint32_t>1 << walk._bits) - 1
    cdef uint32_t first_category = <uint32_t>walk._first_category
    cdef uint32_t at, word, line, header, base, row, next_, key, rank, right, where
    cdef Py_ssize_t tree, i, left, kept = 0
    if categories:
        sets = &walk._sets[0]
    for tree in range(first, first + trees):
        at = walk._trees[tree] * LINE + ROOT
        for i in range(rows):
            lanes[kept].word = at
            lanes[kept].row = <uint32_t>(i * walk._keys)
            path[kept] = <uint8_t>kept
            kept += 1
    while kept:
        for _ in range(ROUNDS):
            for i in range(kept):
                at = lanes[i].word
                word = words[at]
                line = at & ~<uint32_t>(LINE - 1)
                header = words[line]
                base = header if word & DELTA else line
                next_ = base + (word & NEXT)
                key = word >> PAYLOAD & key_mask
                rank = ranks[lanes[i].row + key]
                right = rank > word >> rank_at
                if categories:
                    # A leaf's number may look like any key; the first set is looked at in its place.
                    where = (word >> rank_at) + (rank >> 5)
                    if key < first_category or word & LEAF:
                        where = 0
                    right = right if key < first_category else sets[where] >> (rank & 31) & 1
                next_ += right
                # A leaf stays where it is. What was computed for it is of no use, but did no harm.
                next_ = at if word & LEAF else next_
                lanes[i].word = next_
                prefetch(words + next_)
        left, kept = kept, 0
        for i in range(left):
            at = lanes[i].word
            row = lanes[i].row
            word = words[at]
            reached[path[i]] = word >> PAYLOAD
            lanes[kept].word = at
            lanes[kept].row = row
            path[kept] = path[i]
            kept += not word & LEAF


cdef inline void add(
    Walk walk, const floating *leaves, const uint32_t *reached, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees,
    floating *sums,
) noexcept nogil:
    """Add the leaves in the order of the trees, as every library does."""
    cdef Py_ssize_t width = walk._leaf_width, outputs = walk.n_outputs, tree, row, c, i
    cdef const floating *leaf
    cdef floating *into
    for i in range(rows * trees):
        prefetch(leaves + reached[i] * width)
    for tree in range(trees):
        into = sums + walk._outputs[first + tree]
        for row in range(rows):
            leaf = leaves + reached[tree * rows + row] * width
            for c in range(width):
                into[c] += leaf[c]
            into += outputs
