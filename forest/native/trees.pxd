"""The trees as the walks see them; ``walks/trees.h`` says what is in them."""

from libc.stdint cimport uint8_t, uint32_t

cdef extern from "walks/trees.h" nogil:
    enum:
        LINE "CANOPY_LINE"
        ROOT "CANOPY_ROOT"
        LEAF "CANOPY_LEAF"
        PAIR "CANOPY_PAIR"
        DELTA "CANOPY_DELTA"
        NEXT "CANOPY_NEXT"
        PAYLOAD "CANOPY_PAYLOAD"
        REFUSED "CANOPY_REFUSED"
        GOES_LEFT "CANOPY_LEFT"
        GOES_RIGHT "CANOPY_RIGHT"
        ZERO "CANOPY_ZERO"
        ZERO_LEFT "CANOPY_ZERO_LEFT"
        ZERO_RIGHT "CANOPY_ZERO_RIGHT"

    ctypedef struct Trees "canopy_trees":
        const uint32_t *words
        const uint32_t *trees
        const uint32_t *offsets
        const uint32_t *features
        const uint32_t *codes
        const uint8_t *missing
        const uint32_t *sets
        const uint32_t *outputs
        const void *thresholds
        const void *leaves
        const uint32_t *steps
        Py_ssize_t n_lines, n_trees, n_keys, n_sets, n_thresholds, n_leaves, leaf_width, n_features, n_outputs
        Py_ssize_t first_category
        int key_bits
        bint wide, double_sums
        double zero, least_code

    ctypedef struct VectorWalk "canopy_walk":
        const char *name
        int rank_bytes, row_bytes, lanes
        int (*supported)() noexcept nogil
        const char *(*unfit)(const Trees *) noexcept nogil
        void (*prepare)(const Trees *, uint32_t *) noexcept nogil
        Py_ssize_t (*rank)(const Trees *, const void *, Py_ssize_t, void *) noexcept nogil
        void (*descend)(
            const Trees *, const void *, Py_ssize_t, Py_ssize_t, Py_ssize_t, uint32_t *
        ) noexcept nogil

    const VectorWalk canopy_avx2, canopy_avx512

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
    SCRATCH = 8192  # ranks of a block of rows, kept on the stack; and so the most keys

cdef inline Py_ssize_t ceil_div(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return (a + b - 1) // b

cdef inline Py_ssize_t set_size(uint32_t codes) noexcept nogil:
    """Words of a set: a bit for each code, one for any other value, and one for a missing one."""
    return (<Py_ssize_t>codes + 2 + 31) // 32
