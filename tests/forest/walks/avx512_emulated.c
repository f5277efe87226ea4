/* The walk with AVX-512, whose functions SIMDe does by those that any processor has: for tests of what it computes. */
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <stddef.h>
#include <stdint.h>

/* What SIMDe 0.7.4 does not have, lane by lane, as Intel's intrinsics guide describes it. */
static inline simde__m512i gathered_epi32(simde__m512i source, simde__mmask16 lanes, simde__m512i index, const void *base,
                                          int scale) {
    int32_t places[16], found[16];
    simde_mm512_storeu_si512(places, index);
    simde_mm512_storeu_si512(found, source);
    for (int lane = 0; lane < 16; lane++) {
        if (lanes >> lane & 1) found[lane] = *(const int32_t *)((const char *)base + (ptrdiff_t)places[lane] * scale);
    }
    return simde_mm512_loadu_si512(found);
}

static inline simde__m512 gathered_ps(simde__m512 source, simde__mmask16 lanes, simde__m512i index, const void *base,
                                      int scale) {
    return simde_mm512_castsi512_ps(gathered_epi32(simde_mm512_castps_si512(source), lanes, index, base, scale));
}

static inline simde__m512i loaded_epi32(simde__mmask16 lanes, const void *base) {
    int32_t found[16] = {0};
    for (int lane = 0; lane < 16; lane++) {
        if (lanes >> lane & 1) found[lane] = ((const int32_t *)base)[lane];
    }
    return simde_mm512_loadu_si512(found);
}

static inline simde__m512i widened_epu8(simde__m128i bytes) {
    uint8_t given[16];
    int32_t found[16];
    simde_mm_storeu_si128(given, bytes);
    for (int lane = 0; lane < 16; lane++) found[lane] = given[lane];
    return simde_mm512_loadu_si512(found);
}

static inline simde__m256i narrowed_epi32(simde__m512i numbers) {
    int32_t given[16];
    int16_t found[16];
    simde_mm512_storeu_si512(given, numbers);
    for (int lane = 0; lane < 16; lane++) found[lane] = (int16_t)given[lane];
    return simde_mm256_loadu_si256((const simde__m256i *)found);
}

#define __mmask16 simde__mmask16
#define _mm512_mask_i32gather_epi32 gathered_epi32
#define _mm512_mask_i32gather_ps gathered_ps
#define _mm512_maskz_loadu_epi32 loaded_epi32
#define _mm512_cvtepu8_epi32 widened_epu8
#define _mm512_cvtepi32_epi16 narrowed_epi32
#define _mm512_mask_testn_epi32_mask(lanes, a, b) ((lanes) & ~simde_mm512_test_epi32_mask(a, b))
#define _mm512_mask_cmp_ps_mask(lanes, a, b, how) ((lanes) & simde_mm512_cmp_ps_mask(a, b, how))

#define CANOPY_EMULATED
#include "avx512.c"
