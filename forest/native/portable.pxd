"""The portable walk: any trees, on any processor.

A step needs the word of a node, one rank of the row and the header of the word's cache line. Big ensembles do not fit
into a core's caches, so what costs time is waiting for lines. Hence many paths (lanes) are walked side by side, one
step each in turn: a lane asks for its next word at the end of its step, and by its next turn the word is there.
"""

from libc.stdint cimport uint8_t, uint32_t

from forest.native.trees cimport DELTA, LEAF, LINE, NEXT, PAYLOAD, ROOT, Trees, prefetch

cdef enum:
    LANES = 128  # paths walked side by side; enough for a line from memory to arrive within one round
    MOST_LANES = 2 * LANES
    ROUNDS = 4  # steps of every lane before those that have come to a leaf are taken out

ctypedef struct Lane:
    uint32_t word
    uint32_t row


cdef inline void descend(
    const Trees *trees, bint categories, const uint32_t *ranks, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t count,
    uint32_t *reached,
) noexcept nogil:
    """Walk every row down some trees, ``MOST_LANES`` paths at most; ``reached`` gets the leaves, tree by tree.

    ``categories`` is a constant wherever this is called, so that a walk without them has no step for them.
    """
    cdef Lane lanes[MOST_LANES]
    cdef uint8_t path[MOST_LANES]
    cdef const uint32_t *words = trees.words
    cdef const uint32_t *sets = trees.sets
    cdef int rank_at = PAYLOAD + trees.key_bits
    cdef uint32_t key_mask = (<uint32_t>1 << trees.key_bits) - 1
    cdef uint32_t first_category = <uint32_t>trees.first_category
    cdef uint32_t at, word, line, header, base, row, next_, key, rank, right, where
    cdef Py_ssize_t tree, i, left, kept = 0
    for tree in range(first, first + count):
        at = trees.trees[tree] * LINE + ROOT
        for i in range(rows):
            lanes[kept].word = at
            lanes[kept].row = <uint32_t>(i * trees.n_keys)
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
