/* The trees as the walks see them, and what a walk is. forest/arrays.py says what is in the arrays. */
#ifndef CANOPY_TREES_H
#define CANOPY_TREES_H

#include <stddef.h>
#include <stdint.h>

enum {
    CANOPY_LINE = 16,   /* words in a line: a header, one unused, then seven pairs */
    CANOPY_ROOT = 2,    /* the word of a tree's root in its first line */
    CANOPY_LEAF = 0x01, /* the bits of a word */
    CANOPY_PAIR = 0x0E,
    CANOPY_DELTA = 0xF0,
    CANOPY_NEXT = 0xFE, /* what is added to the first word of a line, or to the header, to come to the left child */
    CANOPY_PAYLOAD = 8, /* the bits below it are the fields above */
};

/* What becomes of a missing value: forest.ensemble.Missing. */
enum { CANOPY_REFUSED, CANOPY_LEFT, CANOPY_RIGHT, CANOPY_ZERO, CANOPY_ZERO_LEFT, CANOPY_ZERO_RIGHT };

typedef struct {
    const uint32_t *words;    /* n_lines * CANOPY_LINE */
    const uint32_t *trees;    /* n_trees: the first line of each */
    const uint32_t *offsets;  /* n_keys + 1: where the thresholds of each key begin */
    const uint32_t *features; /* n_keys */
    const uint32_t *codes;    /* n_keys */
    const uint8_t *missing;   /* n_keys */
    const uint32_t *sets;     /* n_sets */
    const uint32_t *outputs;  /* n_trees */
    const void *thresholds;   /* double if wide, else float */
    const void *leaves;       /* n_leaves * leaf_width, of double if double_sums, else float */
    const uint32_t *steps;    /* what a walk has prepared, or NULL */
    ptrdiff_t n_lines, n_trees, n_keys, n_sets, n_thresholds, n_leaves, leaf_width, n_features, n_outputs;
    ptrdiff_t first_category; /* the first key of a category; n_keys if there is none */
    int key_bits, wide, double_sums;
    double zero, least_code;
} canopy_trees;

/*
 * A walk that needs more of a processor than the portable one. All of it takes trees that the kernel has checked.
 *
 * Ranks are row after row, ``row_bytes`` each, in numbers of ``rank_bytes``. What stands behind a row's last key is
 * not defined, and is never of any effect.
 */
typedef struct {
    const char *name;
    int rank_bytes, row_bytes;
    int lanes; /* trees that it walks side by side: fewer take as long */
    /* Whether this processor can, and this build has it. */
    int (*supported)(void);
    /* Why it cannot walk these trees; NULL if it can. */
    const char *(*unfit)(const canopy_trees *trees);
    /* Fill n_lines * CANOPY_LINE steps, which are then handed to ``descend`` in the trees; NULL if it needs none. */
    void (*prepare)(const canopy_trees *trees, uint32_t *steps);
    /* Rank rows, from the first; returns how many it has ranked, the others are the caller's; -1: a value is missing
       where none may be. */
    ptrdiff_t (*rank)(const canopy_trees *trees, const void *matrix, ptrdiff_t rows, void *ranks);
    /* Walk rows down some trees; reached[tree * rows + row] is the leaf. */
    void (*descend)(const canopy_trees *trees, const void *ranks, ptrdiff_t rows, ptrdiff_t first, ptrdiff_t count,
                    uint32_t *reached);
} canopy_walk;

extern const canopy_walk canopy_avx2, canopy_avx512;

/* Which trees and which row one vector walks: the rows of some trees first, then the next trees. */
typedef struct {
    ptrdiff_t tree, row;
} canopy_unit;

static inline canopy_unit canopy_next_unit(canopy_unit unit, ptrdiff_t rows, ptrdiff_t lanes) {
    unit.row += 1;
    if (unit.row == rows) {
        unit.row = 0;
        unit.tree += lanes;
    }
    return unit;
}

/* Why 32-bit signed places are not enough, or a key is what vectors do not compare; NULL if neither. */
static inline const char *canopy_unfit(const canopy_trees *trees, ptrdiff_t most_keys, ptrdiff_t most_thresholds) {
    ptrdiff_t key;
    if (trees->first_category < trees->n_keys) return "the model compares categories";
    if (trees->n_keys > most_keys) return "the model compares too many features";
    if (trees->n_lines >= (ptrdiff_t)1 << 27 || trees->n_thresholds >= (ptrdiff_t)1 << 31) return "the model is too big";
    for (key = 0; key < trees->n_keys; key++) {
        if ((ptrdiff_t)trees->offsets[key + 1] - trees->offsets[key] > most_thresholds) {
            return "a feature of the model has too many thresholds";
        }
    }
    return NULL;
}

#endif
