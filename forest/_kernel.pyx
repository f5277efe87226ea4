# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The walk: many rows through many trees, in the layout that ``forest/arrays.py`` describes.

A step needs the word of a node, one rank of the row and the header of the word's cache line. Big forests do not fit
into a core's caches, so what costs time is waiting for lines. Hence many paths (lanes) are walked side by side, one
step each in turn: a lane asks for its next word at the end of its step, and by its next turn the word is there.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

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
    SCRATCH = 8192  # ranks of a block of rows, kept on the stack

MAX_FEATURES = SCRATCH
"""Most columns of a matrix."""

ctypedef struct Lane:
    uint32_t word
    uint32_t row


cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b


cdef class Walk:
    """Walks rows through the trees of one forest; safe to call from several threads.

    Args:
        words: (lines, 16) uint32, see ``forest/arrays.py``.
        trees: (n_trees,) uint32, the first line of each tree.
        thresholds: (n_thresholds,) float32, those of each feature in ascending order, feature by feature.
        offsets: (n_features + 1,) uint32, where the thresholds of each feature begin; the last is their number.
        leaves: (n_leaves, n_classes) float64, the distinct class distributions.
        feature_bits: how many bits of a word name the feature.

    Raises:
        ValueError: the arrays would lead a walk astray: out of an array, or round and round.
    """

    cdef readonly Py_ssize_t n_features, n_classes, n_trees
    cdef const uint32_t[:, ::1] _words
    cdef const uint32_t[::1] _trees
    cdef const float[::1] _thresholds
    cdef const uint32_t[::1] _offsets
    cdef const double[:, ::1] _leaves
    cdef int _bits

    def __init__(
        self,
        const uint32_t[:, ::1] words,
        const uint32_t[::1] trees,
        const float[::1] thresholds,
        const uint32_t[::1] offsets,
        const double[:, ::1] leaves,
        int feature_bits,
    ):
        self._words, self._trees, self._thresholds, self._offsets = words, trees, thresholds, offsets
        self._leaves, self._bits = leaves, feature_bits
        self.n_features, self.n_classes, self.n_trees = offsets.shape[0] - 1, leaves.shape[1], trees.shape[0]
        self._check_tables()
        cdef Py_ssize_t at
        with nogil:
            at = self._first_fault()
        if at >= 0:
            raise ValueError(f"word {at % LINE} of line {at // LINE} leads astray")

    def predict(self, const float[:, ::1] matrix, double[:, ::1] out):
        """Compute class probabilities.

        Args:
            matrix: (n, n_features) float32, C-contiguous, without NaN.
            out: (n, n_classes) float64, C-contiguous; overwritten.

        Raises:
            ValueError: a shape is wrong, or a value is NaN.
        """
        cdef Py_ssize_t n = matrix.shape[0], blocks, block, start = 0, fault = -1
        if matrix.shape[1] != self.n_features:
            raise ValueError(f"the matrix has {matrix.shape[1]} columns, the forest takes {self.n_features}")
        if out.shape[0] != n or out.shape[1] != self.n_classes:
            raise ValueError(f"the result is ({n}, {self.n_classes}), not ({out.shape[0]}, {out.shape[1]})")
        if n == 0:
            return
        # Blocks of about one size: a last block of a few rows would cost nearly as much as a full one.
        blocks = ceil_div(n, min(<Py_ssize_t>LANES, SCRATCH // self.n_features))
        block = ceil_div(n, blocks)
        with nogil:
            while start < n and fault < 0:
                fault = self._predict(matrix, out, start, min(start + block, n))
                start += block
        if fault >= 0:
            raise ValueError(f"row {fault // self.n_features}, column {fault % self.n_features} is NaN")

    cdef Py_ssize_t _predict(
        self, const float[:, ::1] matrix, double[:, ::1] out, Py_ssize_t start, Py_ssize_t end
    ) noexcept nogil:
        """Predict for a block of rows; returns the position of a NaN, or -1."""
        cdef uint32_t ranks[2 * SCRATCH]  # what is read beyond the last row, for a leaf, does not count
        cdef uint32_t reached[MOST_LANES]
        cdef Py_ssize_t rows = end - start, width = self.n_features, classes = self.n_classes
        cdef Py_ssize_t group = ceil_div(LANES, rows), first = 0, trees, i
        cdef double *sums = &out[start, 0]
        cdef double count = <double>self.n_trees
        i = self._rank(&matrix[start, 0], rows, ranks)
        if i >= 0:
            return start * width + i
        memset(sums, 0, rows * classes * sizeof(double))
        while first < self.n_trees:
            trees = min(group, self.n_trees - first)
            self._descend(ranks, rows, first, trees, reached)
            self._add(reached, rows, trees, sums)
            first += trees
        for i in range(rows * classes):
            sums[i] /= count
        return -1

    cdef Py_ssize_t _rank(self, const float *values, Py_ssize_t rows, uint32_t *ranks) noexcept nogil:
        """Replace each value by its rank: how many thresholds of its feature are below it."""
        cdef Py_ssize_t row, feature, left, half
        cdef const float *base
        cdef const float *at
        cdef float value
        for row in range(rows):
            for feature in range(self.n_features):
                value = values[0]
                if value != value:
                    return row * self.n_features + feature
                left = self._offsets[feature + 1] - self._offsets[feature]
                if left == 0:
                    ranks[0] = 0
                else:
                    # A binary search without branches: the outcome of a comparison is as good as random.
                    base = at = &self._thresholds[0] + self._offsets[feature]
                    while left > 1:
                        half = left // 2
                        at += half if at[half - 1] < value else 0
                        left -= half
                    ranks[0] = <uint32_t>(at - base) + (at[0] < value)
                values += 1
                ranks += 1
        return -1

    cdef void _descend(
        self, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t trees, uint32_t *reached
    ) noexcept nogil:
        """Walk every row down some trees; ``reached`` gets the leaves, tree by tree."""
        cdef Lane lanes[MOST_LANES]
        cdef uint8_t path[MOST_LANES]
        cdef const uint32_t *words = &self._words[0, 0]
        cdef int rank_at = PAYLOAD + self._bits
        cdef uint32_t feature_mask = (<uint32_t>1 << self._bits) - 1
        cdef uint32_t at, word, line, header, base, row, next_
        cdef Py_ssize_t tree, i, left, kept = 0
        for tree in range(first, first + trees):
            at = self._trees[tree] * LINE + ROOT
            for i in range(rows):
                lanes[kept].word = at
                lanes[kept].row = <uint32_t>(i * self.n_features)
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
                    next_ += ranks[lanes[i].row + (word >> PAYLOAD & feature_mask)] > word >> rank_at
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

    cdef void _add(
        self, const uint32_t *reached, Py_ssize_t rows, Py_ssize_t trees, double *sums
    ) noexcept nogil:
        """Add the distributions of the leaves in the order of the trees, as scikit-learn does."""
        cdef Py_ssize_t classes = self.n_classes, tree, row, c, i
        cdef const double *leaves = &self._leaves[0, 0]
        cdef const double *leaf
        for i in range(rows * trees):
            prefetch(leaves + reached[i] * classes)
        for tree in range(trees):
            for row in range(rows):
                leaf = leaves + reached[tree * rows + row] * classes
                for c in range(classes):
                    sums[row * classes + c] += leaf[c]

    cdef _check_tables(self):
        """Check all but the words."""
        cdef Py_ssize_t lines = self._words.shape[0], i
        if self._words.shape[1] != LINE or not 1 <= lines <= (<Py_ssize_t>1 << 32) // LINE:
            raise ValueError(f"({lines}, {self._words.shape[1]}) words are no lines of {LINE}")
        if not 1 <= self._bits <= 32 - PAYLOAD:
            raise ValueError(f"{self._bits} feature bits")
        # Not more bits than needed: the step of a leaf takes some of the leaf's number for a feature.
        if not 1 <= self.n_features <= min(MAX_FEATURES, 1 << self._bits) or (
            self._bits > 1 and self.n_features <= 1 << (self._bits - 1)
        ):
            raise ValueError(f"{self.n_features} features, with {self._bits} feature bits")
        if self.n_trees < 1:
            raise ValueError("no trees")
        for i in range(self.n_trees):
            if self._trees[i] >= lines:
                raise ValueError(f"tree {i} begins at line {self._trees[i]} of {lines}")
        if self._leaves.shape[0] < 1 or self.n_classes < 1:
            raise ValueError("no leaves, or no classes")
        if self._offsets[0] != 0 or self._offsets[self.n_features] != self._thresholds.shape[0]:
            raise ValueError("the offsets do not span the thresholds")
        for i in range(self.n_features):
            if self._offsets[i] > self._offsets[i + 1]:
                raise ValueError(f"the offsets fall after feature {i}")

    cdef Py_ssize_t _first_fault(self) noexcept nogil:
        """Find the first word that could lead a walk out of the arrays, or back to where it was; -1 if there is none.

        Also words that no walk comes by are held to the rules, so that each is looked at once, without walking.
        A step out of a line leads to a later line, a step within a line to a later pair: so every walk ends.
        """
        cdef Py_ssize_t lines = self._words.shape[0], line, i
        cdef uint32_t feature_mask = (<uint32_t>1 << self._bits) - 1
        cdef uint32_t n_leaves = <uint32_t>min(self._leaves.shape[0], <Py_ssize_t>1 << 24)
        cdef uint32_t word, pair
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
                if pair == 0 or (word >> PAYLOAD & feature_mask) >= self.n_features:
                    return line * LINE + i
                if word & DELTA:
                    # The header is 16 below the first word of the first line that the line leads to.
                    base = words[0] + (word & DELTA)
                    if base % LINE or base // LINE <= line or base // LINE >= lines:
                        return line * LINE + i
                elif pair <= (i & PAIR):
                    return line * LINE + i
        return -1
