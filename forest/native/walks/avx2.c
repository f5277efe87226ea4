/*
 * The walk of small models with AVX2: boosted trees, mostly.
 *
 * A vector is eight trees of one row. Each word is rewritten as a step that says by itself where its children are, so
 * that a level costs one gather; gathers are what bounds this walk. The rank of a key is found by a byte shuffle: so
 * ranks have 8 bits, and keys are few. A step:
 *
 *   bit 0        1 if it is a leaf
 *   bits 1..17   the pair of its children: the left one's word, halved
 *   bits 18..23  the key
 *   bits 24..31  the rank of the threshold
 *
 * What fits stays in the second-level cache, so nothing is asked for ahead of time.
 */
#include "trees.h"

enum {
    LANES = 8,         /* trees in a vector */
    UNITS = 4,         /* vectors that take turns; more spill registers */
    TABLE = 16,        /* ranks that a shuffle looks up */
    MOST_KEYS = 64,    /* of which ranks are kept: four tables */
    MOST_RANKS = 255,  /* thresholds of a key: a rank is one byte */
    MOST_LINES = 1 << 14, /* 18 bits for a word, a MB of steps */
    KEY_AT = 18,
    RANK_AT = 24,
    CHILD = (1 << KEY_AT) - 2,
};

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2")))
#define INLINE_AVX2 static inline __attribute__((target("avx2"), always_inline))

static int supported(void) { return __builtin_cpu_supports("avx2"); }

static const char *unfit(const canopy_trees *trees) {
    if (trees->n_lines > MOST_LINES) return "the model is too big for the second-level cache";
    return canopy_unfit(trees, MOST_KEYS, MOST_RANKS);
}

static void prepare(const canopy_trees *trees, uint32_t *steps) {
    const int rank_at = CANOPY_PAYLOAD + trees->key_bits;
    const uint32_t key_mask = ((uint32_t)1 << trees->key_bits) - 1;
    const ptrdiff_t words = trees->n_lines * CANOPY_LINE;
    for (ptrdiff_t at = 0; at < words; at++) {
        const uint32_t word = trees->words[at], line = (uint32_t)at & ~(uint32_t)(CANOPY_LINE - 1);
        uint32_t rank = word >> rank_at;
        if (at - line < CANOPY_ROOT || word & CANOPY_LEAF) {
            steps[at] = CANOPY_LEAF;
            continue;
        }
        /* A rank that no value exceeds, such as a damaged file may have, stays one. */
        if (rank > MOST_RANKS) rank = MOST_RANKS;
        steps[at] = ((word & CANOPY_DELTA ? trees->words[line] : line) + (word & CANOPY_NEXT)) |
                    (word >> CANOPY_PAYLOAD & key_mask) << KEY_AT | rank << RANK_AT;
    }
}

/* The comparison of eight values with a threshold each: four of double, twice. */
typedef struct {
    __m256d low, high;
} doubles;

INLINE_AVX2 __m256i narrow(__m256d low, __m256d high) {
    const __m256 both = _mm256_shuffle_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high), _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_permute4x64_epi64(_mm256_castps_si256(both), _MM_SHUFFLE(3, 1, 2, 0));
}

/* -1 in the lanes whose threshold, thresholds[at], is below the value. */
INLINE_AVX2 __m256i below_float(const float *thresholds, __m256i at, __m256 values) {
    return _mm256_castps_si256(_mm256_cmp_ps(_mm256_i32gather_ps(thresholds, at, 4), values, _CMP_LT_OQ));
}

INLINE_AVX2 __m256i below_double(const double *thresholds, __m256i at, doubles values) {
    const __m256d low = _mm256_i32gather_pd(thresholds, _mm256_castsi256_si128(at), 8);
    const __m256d high = _mm256_i32gather_pd(thresholds, _mm256_extracti128_si256(at, 1), 8);
    return narrow(_mm256_cmp_pd(low, values.low, _CMP_LT_OQ), _mm256_cmp_pd(high, values.high, _CMP_LT_OQ));
}

/* -1 in the lanes that are missing; ``values`` become what is compared. */
INLINE_AVX2 __m256i missing_float(int way, __m256 *values) {
    const __m256 nan = _mm256_cmp_ps(*values, *values, _CMP_UNORD_Q);
    __m256 absent = nan;
    if (way == CANOPY_ZERO) {
        *values = _mm256_andnot_ps(nan, *values);
        absent = _mm256_setzero_ps();
    } else if (way > CANOPY_ZERO) {
        absent = _mm256_or_ps(nan, _mm256_cmp_ps(*values, _mm256_setzero_ps(), _CMP_EQ_OQ));
    }
    return _mm256_castps_si256(absent);
}

INLINE_AVX2 __m256d missing_half(int way, __m256d zero, __m256d *values) {
    const __m256d nan = _mm256_cmp_pd(*values, *values, _CMP_UNORD_Q);
    const __m256d size = _mm256_andnot_pd(_mm256_set1_pd(-0.0), *values);
    *values = _mm256_andnot_pd(_mm256_cmp_pd(size, zero, _CMP_LE_OQ), *values);
    if (way == CANOPY_ZERO) {
        *values = _mm256_andnot_pd(nan, *values);
        return _mm256_setzero_pd();
    }
    return way > CANOPY_ZERO ? _mm256_or_pd(nan, _mm256_cmp_pd(*values, _mm256_setzero_pd(), _CMP_EQ_OQ)) : nan;
}

/* The values of four rows. */
INLINE_AVX2 __m128 four_floats(const char *column, ptrdiff_t stride) {
    return _mm_setr_ps(*(const float *)column, *(const float *)(column + stride), *(const float *)(column + 2 * stride),
                       *(const float *)(column + 3 * stride));
}

INLINE_AVX2 __m256d four_doubles(const char *column, ptrdiff_t stride) {
    return _mm256_setr_pd(*(const double *)column, *(const double *)(column + stride),
                          *(const double *)(column + 2 * stride), *(const double *)(column + 3 * stride));
}

/* Ranks of a key, eight rows at a time: a binary search whose steps are the same for all of them. */
INLINE_AVX2 int rank_key(const canopy_trees *trees, int wide, ptrdiff_t key, const char *column, ptrdiff_t stride,
                         ptrdiff_t rows, uint8_t *ranks) {
    const uint32_t offset = trees->offsets[key], count = trees->offsets[key + 1] - offset;
    const int way = trees->missing[key];
    const int right = way == CANOPY_RIGHT || way == CANOPY_ZERO_RIGHT;
    const float *floats = (const float *)trees->thresholds + offset;
    const double *numbers = (const double *)trees->thresholds + offset;
    for (ptrdiff_t row = 0; row < rows; row += LANES) {
        __m256 values = _mm256_setzero_ps();
        doubles wides = {_mm256_setzero_pd(), _mm256_setzero_pd()};
        __m256i at = _mm256_setzero_si256(), absent;
        uint32_t found[LANES];
        if (wide) {
            const __m256d zero = _mm256_set1_pd(trees->zero);
            wides.low = four_doubles(column + row * stride, stride);
            wides.high = four_doubles(column + (row + 4) * stride, stride);
            absent = narrow(missing_half(way, zero, &wides.low), missing_half(way, zero, &wides.high));
        } else {
            values = _mm256_set_m128(four_floats(column + (row + 4) * stride, stride),
                                     four_floats(column + row * stride, stride));
            absent = missing_float(way, &values);
        }
        if (way == CANOPY_REFUSED && _mm256_movemask_epi8(absent)) return -1;
        for (uint32_t left = count; left > 0;) {
            /* The last comparison, of the one that is left, is by itself; so each is with a threshold of this key. */
            const uint32_t half = left > 1 ? left / 2 : 1;
            const __m256i probe = _mm256_add_epi32(at, _mm256_set1_epi32((int)half - 1));
            const __m256i below = wide ? below_double(numbers, probe, wides) : below_float(floats, probe, values);
            at = _mm256_add_epi32(at, _mm256_and_si256(below, _mm256_set1_epi32((int)half)));
            left -= half;
        }
        at = _mm256_blendv_epi8(at, _mm256_set1_epi32(right ? (int)count : 0), absent);
        _mm256_storeu_si256((__m256i *)found, at);
        for (int lane = 0; lane < LANES; lane++) ranks[(row + lane) * MOST_KEYS] = (uint8_t)found[lane];
    }
    return 0;
}

WITH_AVX2 static ptrdiff_t rank(const canopy_trees *trees, const void *matrix, ptrdiff_t rows, void *ranks) {
    const ptrdiff_t whole = rows - rows % LANES, size = trees->wide ? sizeof(double) : sizeof(float);
    if (!trees->wide && trees->zero > 0) return 0; /* which a float32 cannot always tell */
    for (ptrdiff_t key = 0; key < trees->n_keys; key++) {
        const char *column = (const char *)matrix + trees->features[key] * size;
        uint8_t *into = (uint8_t *)ranks + key;
        const int fault = trees->wide ? rank_key(trees, 1, key, column, trees->n_features * size, whole, into)
                                      : rank_key(trees, 0, key, column, trees->n_features * size, whole, into);
        if (fault) return -1;
    }
    return whole;
}

/* The ranks of a row for the keys of eight steps. A shuffle makes 0 of each byte whose index is above 127: so it
   finds what is in its own table, and nothing else. */
INLINE_AVX2 __m256i look_up(const uint8_t *ranks, __m256i steps, int tables) {
    const __m256i key = _mm256_and_si256(_mm256_srli_epi32(steps, KEY_AT), _mm256_set1_epi32(MOST_KEYS - 1));
    __m256i found = _mm256_setzero_si256();
    for (int table = 0; table < tables; table++) {
        const __m256i own = _mm256_xor_si256(key, _mm256_set1_epi32(table * TABLE));
        const __m256i index = _mm256_adds_epu8(own, _mm256_set1_epi32((int)0x80808070));
        const __m128i part = _mm_loadu_si128((const __m128i *)(ranks + table * TABLE));
        found = _mm256_or_si256(found, _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(part), index));
    }
    return found;
}

/* The roots of eight trees. Lanes for which there are no more trees walk from the first line, to no effect. */
INLINE_AVX2 __m256i roots(const uint32_t *lines, ptrdiff_t left) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i some = _mm256_cmpgt_epi32(_mm256_set1_epi32(left < LANES ? (int)left : LANES), lane);
    const __m256i line = _mm256_maskload_epi32((const int *)lines, some);
    return _mm256_add_epi32(_mm256_slli_epi32(line, 4), _mm256_set1_epi32(CANOPY_ROOT));
}

INLINE_AVX2 void descend_by(const canopy_trees *trees, int tables, const uint8_t *ranks, ptrdiff_t rows,
                            ptrdiff_t first, ptrdiff_t count, uint32_t *reached) {
    const int *steps = (const int *)trees->steps;
    canopy_unit next = {0, 0};
    while (next.tree < count) {
        canopy_unit units[UNITS];
        __m256i at[UNITS], step[UNITS];
        for (int i = 0; i < UNITS; i++) {
            units[i] = next.tree < count ? next : units[i - 1]; /* the last one again, where there is none */
            at[i] = roots(trees->trees + first + units[i].tree, count - units[i].tree);
            step[i] = _mm256_i32gather_epi32(steps, at[i], 4);
            if (next.tree < count) next = canopy_next_unit(next, rows, LANES);
        }
        for (;;) {
            __m256i leaves = step[0];
            for (int i = 1; i < UNITS; i++) leaves = _mm256_and_si256(leaves, step[i]);
            if (_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_slli_epi32(leaves, 31))) == 0xFF) break;
            for (int i = 0; i < UNITS; i++) {
                const __m256i leaf = _mm256_slli_epi32(step[i], 31); /* its sign is what the blend looks at */
                const __m256i rank = look_up(ranks + units[i].row * MOST_KEYS, step[i], tables);
                const __m256i right = _mm256_cmpgt_epi32(rank, _mm256_srli_epi32(step[i], RANK_AT)); /* -1 */
                const __m256i child = _mm256_sub_epi32(_mm256_and_si256(step[i], _mm256_set1_epi32(CHILD)), right);
                /* A leaf stays where it is. */
                at[i] = _mm256_castps_si256(_mm256_blendv_ps(_mm256_castsi256_ps(child), _mm256_castsi256_ps(at[i]),
                                                             _mm256_castsi256_ps(leaf)));
                step[i] = _mm256_i32gather_epi32(steps, at[i], 4);
            }
        }
        for (int i = 0; i < UNITS; i++) {
            uint32_t leaves[LANES];
            const __m256i words = _mm256_i32gather_epi32((const int *)trees->words, at[i], 4);
            _mm256_storeu_si256((__m256i *)leaves, _mm256_srli_epi32(words, CANOPY_PAYLOAD));
            for (int lane = 0; lane < LANES && units[i].tree + lane < count; lane++) {
                reached[(units[i].tree + lane) * rows + units[i].row] = leaves[lane];
            }
        }
    }
}

WITH_AVX2 static void descend(const canopy_trees *trees, const void *ranks, ptrdiff_t rows, ptrdiff_t first,
                              ptrdiff_t count, uint32_t *reached) {
    /* The number of tables is a constant in each, so that no loop over them is left. */
    if (trees->n_keys <= TABLE) {
        descend_by(trees, 1, (const uint8_t *)ranks, rows, first, count, reached);
    } else if (trees->n_keys <= 2 * TABLE) {
        descend_by(trees, 2, (const uint8_t *)ranks, rows, first, count, reached);
    } else {
        descend_by(trees, MOST_KEYS / TABLE, (const uint8_t *)ranks, rows, first, count, reached);
    }
}

const canopy_walk canopy_avx2 = {"avx2", 1, MOST_KEYS, LANES, supported, unfit, prepare, rank, descend};

#else
static int supported(void) { return 0; }
const canopy_walk canopy_avx2 = {"avx2", 1, MOST_KEYS, LANES, supported, NULL, NULL, NULL, NULL};
#endif
