"""What keeps a walk within the arrays, whichever walk it is: so any file is harmless."""

from libc.stdint cimport uint32_t

from forest.native.trees cimport (
    DELTA, LEAF, LINE, PAIR, PAYLOAD, ROOT, SCRATCH, ZERO_RIGHT, Trees, ceil_div, set_size
)

cdef enum:
    MOST_CODES = 1 << 24  # of a category


cdef inline int check_sizes(const Trees *trees, Py_ssize_t words_a_line) except -1:
    """Check what a word is read by, and where trees begin."""
    cdef Py_ssize_t i
    if words_a_line != LINE or not 1 <= trees.n_lines <= (<Py_ssize_t>1 << 32) // LINE:
        raise ValueError(f"({trees.n_lines}, {words_a_line}) words are no lines of {LINE}")
    if not 1 <= trees.key_bits <= 32 - PAYLOAD:
        raise ValueError(f"{trees.key_bits} key bits")
    # Not more bits than needed: the step of a leaf takes some of the leaf's number for a key.
    if not 1 <= trees.n_keys <= min(<Py_ssize_t>SCRATCH, 1 << trees.key_bits) or (
        trees.key_bits > 1 and trees.n_keys <= 1 << (trees.key_bits - 1)
    ):
        raise ValueError(f"{trees.n_keys} keys, with {trees.key_bits} key bits")
    if trees.n_features < 1:
        raise ValueError("no columns")
    if trees.n_trees < 1:
        raise ValueError("no trees")
    if not trees.least_code > -1:  # a code is not negative
        raise ValueError(f"the least category is {trees.least_code}")
    for i in range(trees.n_trees):
        if trees.trees[i] >= trees.n_lines:
            raise ValueError(f"tree {i} begins at line {trees.trees[i]} of {trees.n_lines}")
    return 0


cdef inline int check_keys(Trees *trees) except -1:
    """Check the tables of keys, which have the length that the sizes say; finds ``first_category`` by the way."""
    cdef Py_ssize_t i, size
    if trees.offsets[0] != 0 or trees.offsets[trees.n_keys] != trees.n_thresholds:
        raise ValueError("the offsets do not span the thresholds")
    trees.first_category = trees.n_keys
    for i in range(trees.n_keys):
        if trees.offsets[i] > trees.offsets[i + 1]:
            raise ValueError(f"the offsets fall after key {i}")
        if trees.features[i] >= trees.n_features:
            raise ValueError(f"key {i} is of column {trees.features[i]} of {trees.n_features}")
        if trees.missing[i] > ZERO_RIGHT:
            raise ValueError(f"key {i} has missing values of the kind {trees.missing[i]}")
        if trees.codes[i] == 0 and trees.first_category < i:
            raise ValueError(f"key {i} is a number behind a category")
        if trees.codes[i] > 0:
            trees.first_category = min(trees.first_category, i)
            size = set_size(trees.codes[i])
            if trees.codes[i] > MOST_CODES or size > trees.n_sets:
                raise ValueError(f"key {i} has {trees.codes[i]} codes, for which there are no sets")
    return 0


cdef inline int check_leaves(const Trees *trees) except -1:
    """Check where leaves are added to."""
    cdef Py_ssize_t i
    if trees.n_leaves < 1 or trees.leaf_width < 1 or trees.n_outputs < 1:
        raise ValueError("no leaves, or no outputs")
    for i in range(trees.n_trees):
        if <Py_ssize_t>trees.outputs[i] + trees.leaf_width > trees.n_outputs:
            raise ValueError(f"tree {i} adds to output {trees.outputs[i]} of {trees.n_outputs}")
    return 0


cdef inline int check_words(const Trees *trees) except -1:
    """Check all words."""
    cdef Py_ssize_t at
    with nogil:
        at = first_fault(trees)
    if at >= 0:
        raise ValueError(f"word {at % LINE} of line {at // LINE} leads astray")
    return 0


cdef inline Py_ssize_t first_fault(const Trees *trees) noexcept nogil:
    """Find the first word that could lead a walk out of the arrays, or back to where it was; -1 if there is none.

    Also words that no walk comes by are held to the rules, so that each is looked at once, without walking.
    A step out of a line leads to a later line, a step within a line to a later pair: so every walk ends.
    """
    cdef Py_ssize_t lines = trees.n_lines, line, i
    cdef int rank_at = PAYLOAD + trees.key_bits
    cdef uint32_t key_mask = (<uint32_t>1 << trees.key_bits) - 1
    cdef uint32_t n_leaves = <uint32_t>min(trees.n_leaves, <Py_ssize_t>1 << 24)
    cdef uint32_t word, pair, key, base
    cdef const uint32_t *words
    for line in range(lines):
        words = trees.words + line * LINE
        for i in range(ROOT, LINE):
            word = words[i]
            if word & LEAF:
                if word >> PAYLOAD >= n_leaves:
                    return line * LINE + i
                continue
            pair = word & PAIR
            key = word >> PAYLOAD & key_mask
            if pair == 0 or key >= trees.n_keys:
                return line * LINE + i
            # A set lies within the sets, whatever the code.
            if trees.codes[key] > 0 and <Py_ssize_t>(word >> rank_at) + set_size(trees.codes[key]) > trees.n_sets:
                return line * LINE + i
            if word & DELTA:
                # The header is 16 below the first word of the first line that the line leads to.
                base = words[0] + (word & DELTA)
                if base % LINE or base // LINE <= line or base // LINE >= lines:
                    return line * LINE + i
            elif pair <= (i & PAIR):
                return line * LINE + i
    return -1
