/*
 * The walk of models of any size with AVX-512.
 *
 * A vector is sixteen trees of one row. The ranks of a row are 16-bit numbers in two registers, or four, in which a
 * permute finds those of sixteen keys at once; words and headers are gathered. A gather asks for sixteen lines at a
 * time, and the processor looks ahead over two or three of the vectors that take turns. That is enough for a model in
 * the second-level cache. In a bigger one each line is asked for a round before it is looked at, as the portable walk
 * does: which would cost a fourth where the lines are there anyway.
 *
 * CANOPY_EMULATED is defined by the test that has these functions done by others, on processors without AVX-512, and
 * CANOPY_NEAR, so that small models are walked as big ones are.
 */
#include "trees.h"

#ifndef CANOPY_NEAR
#define CANOPY_NEAR (2 << 20)
#endif

enum {
    LANES = 16,             /* trees in a vector */
    UNITS = 16,             /* vectors that take turns */
    SEARCHES = 4,           /* vectors of keys that are searched side by side */
    TABLE = 64,             /* ranks that a permute looks up, of 16 bits */
    MOST_KEYS = 2 * TABLE,
    MOST_RANKS = 65535,     /* thresholds of a key */
    /* Bytes of nodes that are near: of the second-level cache, processors with AVX-512 have 1 to 2 MB. */
    NEAR = CANOPY_NEAR,
};

#if defined(CANOPY_EMULATED) || (defined(__GNUC__) && defined(__x86_64__))

#ifdef CANOPY_EMULATED
#define WITH_AVX512
#define INLINE_AVX512 static inline
static int supported(void) { return 1; }
#else
#include <immintrin.h>
#define WITH_AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE_AVX512 static inline __attribute__((target("avx512f,avx512bw"), always_inline))
static int supported(void) { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw"); }
#endif

static const char *unfit(const canopy_trees *trees) { return canopy_unfit(trees, MOST_KEYS, MOST_RANKS); }

/* A mask of the first lanes. */
INLINE_AVX512 __mmask16 first_lanes(ptrdiff_t count) {
    return count >= LANES ? (__mmask16)0xFFFF : (__mmask16)((1u << (count < 0 ? 0 : count)) - 1);
}

/* Ranks of one row for up to 64 keys, sixteen to a vector: binary searches of lanes that each have their own count. */
INLINE_AVX512 int rank_keys(const canopy_trees *trees, const float *row, ptrdiff_t first, uint16_t *ranks) {
    const float *thresholds = (const float *)trees->thresholds;
    __m512i offset[SEARCHES], count[SEARCHES], left[SEARCHES], at[SEARCHES];
    __m512 values[SEARCHES];
    __mmask16 some[SEARCHES], right[SEARCHES], more = 0;
    for (int i = 0; i < SEARCHES; i++) {
        const ptrdiff_t key = first + i * LANES;
        const __mmask16 lanes = first_lanes(trees->n_keys - key);
        uint8_t ways[LANES] = {0};
        for (int lane = 0; lane < LANES && key + lane < trees->n_keys; lane++) ways[lane] = trees->missing[key + lane];
        const __m512i way = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)ways));
        const __m512i feature = _mm512_maskz_loadu_epi32(lanes, trees->features + key);
        values[i] = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), lanes, feature, row, 4);
        const __mmask16 missing = _mm512_mask_cmp_ps_mask(lanes, values[i], values[i], _CMP_UNORD_Q);
        if (_mm512_mask_cmpeq_epi32_mask(missing, way, _mm512_set1_epi32(CANOPY_REFUSED))) return -1;
        right[i] = _mm512_mask_cmpeq_epi32_mask(missing, way, _mm512_set1_epi32(CANOPY_RIGHT));
        offset[i] = _mm512_maskz_loadu_epi32(lanes, trees->offsets + key);
        count[i] = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(lanes, trees->offsets + key + 1), offset[i]);
        left[i] = count[i];
        at[i] = offset[i];
        some[i] = _mm512_cmpgt_epi32_mask(count[i], _mm512_setzero_si512());
        more |= _mm512_cmpgt_epi32_mask(count[i], _mm512_set1_epi32(1));
    }
    while (more) {
        more = 0;
        for (int i = 0; i < SEARCHES; i++) {
            const __m512i half = _mm512_srli_epi32(left[i], 1); /* 0 in lanes that are through, which stay */
            const __mmask16 open = _mm512_cmpgt_epi32_mask(half, _mm512_setzero_si512());
            const __m512i probe = _mm512_sub_epi32(_mm512_add_epi32(at[i], half), _mm512_set1_epi32(1));
            const __m512 found = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), open, probe, thresholds, 4);
            const __mmask16 below = _mm512_mask_cmp_ps_mask(open, found, values[i], _CMP_LT_OQ);
            at[i] = _mm512_mask_add_epi32(at[i], below, at[i], half);
            left[i] = _mm512_sub_epi32(left[i], half);
            more |= _mm512_cmpgt_epi32_mask(left[i], _mm512_set1_epi32(1));
        }
    }
    for (int i = 0; i < SEARCHES; i++) {
        const __m512 found = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), some[i], at[i], thresholds, 4);
        const __mmask16 below = _mm512_mask_cmp_ps_mask(some[i], found, values[i], _CMP_LT_OQ);
        __m512i rank = _mm512_sub_epi32(at[i], offset[i]);
        rank = _mm512_mask_add_epi32(rank, below, rank, _mm512_set1_epi32(1));
        rank = _mm512_mask_mov_epi32(rank, right[i], count[i]);
        _mm256_storeu_si256((__m256i *)(ranks + first + i * LANES), _mm512_cvtepi32_epi16(rank));
    }
    return 0;
}

WITH_AVX512 static ptrdiff_t rank(const canopy_trees *trees, const void *matrix, ptrdiff_t rows, void *ranks) {
    if (trees->wide || trees->zero > 0) return 0;
    for (ptrdiff_t key = 0; key < trees->n_keys; key++) {
        if (trees->missing[key] >= CANOPY_ZERO) return 0; /* only of models of float64 */
    }
    for (ptrdiff_t row = 0; row < rows; row++) {
        const float *values = (const float *)matrix + row * trees->n_features;
        uint16_t *into = (uint16_t *)ranks + row * MOST_KEYS;
        for (ptrdiff_t first = 0; first < trees->n_keys; first += TABLE) {
            if (rank_keys(trees, values, first, into)) return -1;
        }
    }
    return rows;
}

/* The rank of the row, where a word is a split, for its key: the permute looks at the low bits of a key only. */
INLINE_AVX512 __m512i look_up(const uint16_t *ranks, __m512i key, int two) {
    const __m512i low = _mm512_loadu_si512((const void *)ranks);
    const __m512i high = _mm512_loadu_si512((const void *)(ranks + TABLE / 2));
    __m512i found = _mm512_permutex2var_epi16(low, key, high);
    if (two) {
        const __m512i later = _mm512_permutex2var_epi16(_mm512_loadu_si512((const void *)(ranks + TABLE)), key,
                                                        _mm512_loadu_si512((const void *)(ranks + TABLE * 3 / 2)));
        found = _mm512_mask_mov_epi32(found, _mm512_test_epi32_mask(key, _mm512_set1_epi32(TABLE)), later);
    }
    return _mm512_and_si512(found, _mm512_set1_epi32(0xFFFF));
}

/* Have the lines of some lanes come, which are looked at in the next round. */
INLINE_AVX512 void ask_for(const uint32_t *words, __m512i at, __mmask16 lanes) {
    uint32_t places[LANES];
    _mm512_storeu_si512((void *)places, at);
    for (unsigned left = lanes; left; left &= left - 1) __builtin_prefetch(words + places[__builtin_ctz(left)]);
}

/* One step of the lanes that are not at a leaf yet; ahead: those that come to another line ask for it. */
INLINE_AVX512 __m512i step(const canopy_trees *trees, int two, int ahead, const uint16_t *ranks, __m512i at,
                           __m512i word, __mmask16 open) {
    const __m512i key_mask = _mm512_set1_epi32((1 << trees->key_bits) - 1);
    const __m128i rank_at = _mm_cvtsi32_si128(CANOPY_PAYLOAD + trees->key_bits);
    const __m512i line = _mm512_andnot_si512(_mm512_set1_epi32(CANOPY_LINE - 1), at);
    const __mmask16 away = _mm512_mask_test_epi32_mask(open, word, _mm512_set1_epi32(CANOPY_DELTA));
    const __m512i base = _mm512_mask_i32gather_epi32(line, away, line, trees->words, 4);
    const __m512i key = _mm512_and_si512(_mm512_srli_epi32(word, CANOPY_PAYLOAD), key_mask);
    const __m512i rank = look_up(ranks, key, two);
    const __mmask16 right = _mm512_cmpgt_epi32_mask(rank, _mm512_srl_epi32(word, rank_at));
    const __m512i child = _mm512_add_epi32(base, _mm512_and_si512(word, _mm512_set1_epi32(CANOPY_NEXT)));
    const __m512i next = _mm512_mask_add_epi32(child, right, child, _mm512_set1_epi32(1));
    if (ahead) ask_for(trees->words, next, away);
    return _mm512_mask_mov_epi32(at, open, next);
}

/* See what stands where the lanes have come to; those that are at a leaf are open no more. */
INLINE_AVX512 void look(const canopy_trees *trees, __m512i at, __m512i *word, __mmask16 *open) {
    *word = _mm512_mask_i32gather_epi32(*word, *open, at, trees->words, 4);
    *open = _mm512_mask_testn_epi32_mask(*open, *word, _mm512_set1_epi32(CANOPY_LEAF));
}

INLINE_AVX512 void descend_by(const canopy_trees *trees, int two, int ahead, const uint16_t *ranks, ptrdiff_t rows,
                              ptrdiff_t first, ptrdiff_t count, uint32_t *reached) {
    canopy_unit next = {0, 0};
    while (next.tree < count) {
        canopy_unit units[UNITS];
        __m512i at[UNITS], word[UNITS];
        __mmask16 open[UNITS], any = 0;
        for (int i = 0; i < UNITS; i++) {
            /* Where there is no unit left, no lane is open. */
            open[i] = first_lanes(count - next.tree);
            units[i] = next;
            at[i] = _mm512_slli_epi32(_mm512_maskz_loadu_epi32(open[i], trees->trees + first + next.tree), 4);
            at[i] = _mm512_add_epi32(at[i], _mm512_set1_epi32(CANOPY_ROOT));
            word[i] = _mm512_setzero_si512();
            if (ahead) {
                ask_for(trees->words, at[i], open[i]);
            } else {
                look(trees, at[i], &word[i], &open[i]);
            }
            any |= open[i];
            if (next.tree < count) next = canopy_next_unit(next, rows, LANES);
        }
        while (any) {
            any = 0;
            for (int i = 0; i < UNITS; i++) {
                if (!open[i]) continue;
                if (ahead) look(trees, at[i], &word[i], &open[i]);
                at[i] = step(trees, two, ahead, ranks + units[i].row * MOST_KEYS, at[i], word[i], open[i]);
                if (!ahead) look(trees, at[i], &word[i], &open[i]);
                any |= open[i];
            }
        }
        for (int i = 0; i < UNITS; i++) {
            uint32_t leaves[LANES];
            _mm512_storeu_si512((void *)leaves, _mm512_srli_epi32(word[i], CANOPY_PAYLOAD));
            for (int lane = 0; lane < LANES && units[i].tree + lane < count; lane++) {
                reached[(units[i].tree + lane) * rows + units[i].row] = leaves[lane];
            }
        }
    }
}

WITH_AVX512 static void descend(const canopy_trees *trees, const void *ranks, ptrdiff_t rows, ptrdiff_t first,
                                ptrdiff_t count, uint32_t *reached) {
    /* Constants in each, so that nothing is decided in the loop. */
    const int ahead = trees->n_lines > NEAR / (ptrdiff_t)(CANOPY_LINE * sizeof(uint32_t)), two = trees->n_keys > TABLE;
    if (ahead && two) {
        descend_by(trees, 1, 1, (const uint16_t *)ranks, rows, first, count, reached);
    } else if (ahead) {
        descend_by(trees, 0, 1, (const uint16_t *)ranks, rows, first, count, reached);
    } else if (two) {
        descend_by(trees, 1, 0, (const uint16_t *)ranks, rows, first, count, reached);
    } else {
        descend_by(trees, 0, 0, (const uint16_t *)ranks, rows, first, count, reached);
    }
}

const canopy_walk canopy_avx512 = {"avx512", 2, 2 * MOST_KEYS, LANES, supported, unfit, NULL, rank, descend};

#else
static int supported(void) { return 0; }
const canopy_walk canopy_avx512 = {"avx512", 2, 2 * MOST_KEYS, LANES, supported, NULL, NULL, NULL, NULL};
#endif
