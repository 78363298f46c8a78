/*
 * lanes.h - integer.h for x86 with AVX2: tsad8_<name> is tsad_<name> of eight s32 at once, bit for bit.
 */
#ifndef TSAD_LANES_H
#define TSAD_LANES_H

#include "integer.h"

#include <immintrin.h>
#include <string.h>

enum { TSAD_LANES = 8 };

/* Where of `count` elements, eight at least, the eight from k on begin; the last ones take some of those before again
 */
static inline size_t tsad8_within(size_t k, size_t count) { return k < count - TSAD_LANES ? k : count - TSAD_LANES; }

static inline __m256i tsad8_load_s32(const int32_t *x) { return _mm256_loadu_si256((const __m256i *)(const void *)x); }

static inline void tsad8_store_s16(int16_t *y, __m256i x) {
    _mm_storeu_si128((__m128i *)(void *)y, _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}

/* `count` values, which are read, and zeros behind them; eight where count is more */
static inline __m256i tsad8_some_s32(const int32_t *x, size_t count) {
    int32_t some[TSAD_LANES] = {0};
    if (count >= TSAD_LANES)
        return tsad8_load_s32(x);
    memcpy(some, x, count * sizeof *x);
    return tsad8_load_s32(some);
}

static inline __m128i tsad8_some_packed_s16(const int16_t *x, size_t count) {
    int16_t some[TSAD_LANES] = {0};
    if (count >= TSAD_LANES)
        return _mm_loadu_si128((const __m128i *)(const void *)x);
    memcpy(some, x, count * sizeof *x);
    return _mm_loadu_si128((const __m128i *)(const void *)some);
}

static inline __m256i tsad8_some_s16(const int16_t *x, size_t count) {
    return _mm256_cvtepi16_epi32(tsad8_some_packed_s16(x, count));
}

static inline __m256i tsad8_some_s8(const int8_t *x, size_t count) {
    int8_t some[TSAD_LANES] = {0};
    if (count < TSAD_LANES) {
        memcpy(some, x, count);
        x = some;
    }
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)x));
}

/* The first `count` of eight, or all */
static inline void tsad8_store_some_s16(int16_t *y, size_t count, __m256i x) {
    int16_t lanes[TSAD_LANES];
    if (count >= TSAD_LANES) {
        tsad8_store_s16(y, x);
    } else {
        tsad8_store_s16(lanes, x);
        memcpy(y, lanes, count * sizeof *y);
    }
}

/* Of two vectors of 64-bit lanes the low halves: those of `odd` between those of `even` */
static inline __m256i tsad8_joined(__m256i even, __m256i odd) {
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* (x + 2^(bits - 1)) >> bits, each lane by bits of its own */
static inline __m256i tsad8_halved(__m256i x, __m256i bits) {
    const __m256i one = _mm256_set1_epi32(1);
    return _mm256_srav_epi32(_mm256_add_epi32(x, _mm256_sllv_epi32(one, _mm256_sub_epi32(bits, one))), bits);
}

static inline __m256i tsad8_requantise(__m256i acc, __m256i m, __m256i shift) {
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epi32(acc, m), 32);
    const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), _mm256_srli_epi64(m, 32));
    return tsad8_halved(_mm256_blend_epi32(even, odd, 0xaa), shift);
}

static inline __m256i tsad8_clamped(__m256i x, int32_t low, int32_t high) {
    return _mm256_min_epi32(_mm256_max_epi32(x, _mm256_set1_epi32(low)), _mm256_set1_epi32(high));
}

static inline __m256i tsad8_shifted(__m256i x, int bits) {
    return _mm256_srai_epi32(_mm256_add_epi32(x, _mm256_set1_epi32((1 << bits) >> 1)), bits);
}

/* -value where x is negative */
static inline __m256i tsad8_with_sign_of(__m256i x, __m256i value) {
    const __m256i negative = _mm256_srai_epi32(x, 31);
    return _mm256_sub_epi32(_mm256_xor_si256(value, negative), negative);
}

/* Two neighbours in a table of u16, low and high, which one load brings */
static inline void tsad8_neighbours(const uint16_t *table, __m256i at, __m256i *low, __m256i *high) {
    const __m256i both = _mm256_i32gather_epi32((const int *)(const void *)table, at, 2);
    *low = _mm256_and_si256(both, _mm256_set1_epi32(0xffff));
    *high = _mm256_srli_epi32(both, 16);
}

static inline __m256i tsad8_half_sigmoid(__m256i x, int fraction) {
    const int bits = fraction - 5;
    const __m256i size = _mm256_min_epi32(_mm256_abs_epi32(x), _mm256_set1_epi32((12 << fraction) - 1));
    const __m256i rest = _mm256_and_si256(size, _mm256_set1_epi32((1 << bits) - 1));
    __m256i low, high;
    tsad8_neighbours(TSAD_K(half_sigmoid_table), _mm256_srli_epi32(size, bits), &low, &high);
    const __m256i more = _mm256_mullo_epi32(_mm256_sub_epi32(high, low), _mm256_slli_epi32(rest, 8));
    return _mm256_add_epi32(_mm256_slli_epi32(low, 8), _mm256_srai_epi32(more, bits));
}

static inline __m256i tsad8_sigmoid(__m256i x, int fraction) {
    const __m256i half = tsad8_with_sign_of(x, tsad8_half_sigmoid(x, fraction));
    const __m256i y = tsad8_shifted(_mm256_add_epi32(half, _mm256_set1_epi32(1 << 24)), 10);
    return _mm256_min_epi32(y, _mm256_set1_epi32(TSAD_LIMIT));
}

static inline __m256i tsad8_tanh(__m256i x, int fraction) {
    const __m256i half = tsad8_shifted(tsad8_half_sigmoid(x, fraction - 1), 9);
    return tsad8_with_sign_of(x, _mm256_min_epi32(half, _mm256_set1_epi32(TSAD_LIMIT)));
}

#endif
