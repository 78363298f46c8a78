/*
 * settle.c - what sums of integer matrix products become, on x86 with AVX2: eight rows at a time, with the arithmetic
 * of integer.h and the bits of kernels/settle.c.
 */
#include "integer.h"

#include <immintrin.h>
#include <string.h>

enum { LANES = 8 };

/* acc * m / 2^(32 + shift), halves up */
static inline __m256i requantised(const int32_t *acc, const int32_t *m, const int8_t *shift) {
    const __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)acc);
    const __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)m);
    const __m256i by = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)shift));
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epi32(a, b), 32);
    const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    const __m256i one = _mm256_set1_epi32(1), half = _mm256_sllv_epi32(one, _mm256_sub_epi32(by, one));
    return _mm256_srav_epi32(_mm256_add_epi32(_mm256_blend_epi32(even, odd, 0xaa), half), by);
}

static inline __m256i clamped(__m256i x, int32_t low, int32_t high) {
    return _mm256_min_epi32(_mm256_max_epi32(x, _mm256_set1_epi32(low)), _mm256_set1_epi32(high));
}

/* -value where x is negative */
static inline __m256i with_sign_of(__m256i x, __m256i value) {
    const __m256i negative = _mm256_srai_epi32(x, 31);
    return _mm256_sub_epi32(_mm256_xor_si256(value, negative), negative);
}

/* |sigmoid(x) - 1/2| * 2^25 of x / 2^fraction, from two neighbours in the table, which one load brings */
static inline __m256i half_sigmoid(__m256i x, int fraction) {
    const __m128i bits = _mm_cvtsi32_si128(fraction - 5);
    const __m256i size = _mm256_min_epi32(_mm256_abs_epi32(x), _mm256_set1_epi32((12 << fraction) - 1));
    const __m256i rest = _mm256_and_si256(size, _mm256_set1_epi32((1 << (fraction - 5)) - 1));
    const __m256i both =
        _mm256_i32gather_epi32((const int *)(const void *)TSAD_K(half_sigmoid_table), _mm256_srl_epi32(size, bits), 2);
    const __m256i low = _mm256_and_si256(both, _mm256_set1_epi32(0xffff)), high = _mm256_srli_epi32(both, 16);
    const __m256i more = _mm256_mullo_epi32(_mm256_sub_epi32(high, low), _mm256_slli_epi32(rest, 8));
    return _mm256_add_epi32(_mm256_slli_epi32(low, 8), _mm256_sra_epi32(more, bits));
}

/* x / 2^bits, halves up */
static inline __m256i shifted(__m256i x, int bits) {
    return _mm256_srai_epi32(_mm256_add_epi32(x, _mm256_set1_epi32(1 << (bits - 1))), bits);
}

static inline __m256i activated(__m256i x, enum tsad_activation act, int fraction, int32_t limit) {
    const __m256i most = _mm256_set1_epi32(TSAD_LIMIT);
    if (act == TSAD_ACT_SIGMOID) {
        const __m256i half = with_sign_of(x, half_sigmoid(x, fraction));
        return _mm256_min_epi32(shifted(_mm256_add_epi32(half, _mm256_set1_epi32(1 << 24)), 10), most);
    }
    if (act == TSAD_ACT_TANH)
        return with_sign_of(x, _mm256_min_epi32(shifted(half_sigmoid(x, fraction - 1), 9), most));
    return clamped(x, act == TSAD_ACT_RELU ? 0 : -limit, limit);
}

static inline void settle_eight_s16(const int32_t *acc, const int32_t *m, const int8_t *shift, enum tsad_activation act,
                                    int fraction, int32_t limit, int16_t *y) {
    const __m256i value = activated(requantised(acc, m, shift), act, fraction, limit);
    _mm_storeu_si128((__m128i *)(void *)y,
                     _mm_packs_epi32(_mm256_castsi256_si128(value), _mm256_extracti128_si256(value, 1)));
}

void TSAD_K(settle_s16)(size_t count, const int32_t *acc, const int32_t *m, const int8_t *shift,
                        enum tsad_activation act, int fraction, int32_t limit, int16_t *y) {
    size_t r = 0;
    for (; r + LANES <= count; r += LANES)
        settle_eight_s16(acc + r, m + r, shift + r, act, fraction, limit, y + r);
    if (r < count) {
        int32_t last_acc[LANES] = {0}, last_m[LANES] = {0};
        int8_t last_shift[LANES] = {1, 1, 1, 1, 1, 1, 1, 1};
        int16_t last_y[LANES];
        memcpy(last_acc, acc + r, (count - r) * sizeof *acc);
        memcpy(last_m, m + r, (count - r) * sizeof *m);
        memcpy(last_shift, shift + r, (count - r) * sizeof *shift);
        settle_eight_s16(last_acc, last_m, last_shift, act, fraction, limit, last_y);
        memcpy(y + r, last_y, (count - r) * sizeof *y);
    }
}

/* x to the nearest integer, halves away from zero; beyond +-limit, or NaN, the limit */
static inline __m256i rounded(__m256 x, float limit) {
    const __m256 high = _mm256_set1_ps(limit), sign = _mm256_set1_ps(-0.0f);
    const __m256 within = _mm256_max_ps(_mm256_min_ps(x, high), _mm256_xor_ps(high, sign));
    const __m256 size = _mm256_andnot_ps(sign, within), whole = _mm256_floor_ps(size);
    const __m256 up = _mm256_cmp_ps(_mm256_sub_ps(size, whole), _mm256_set1_ps(0.5f), _CMP_GE_OQ);
    const __m256i value = _mm256_sub_epi32(_mm256_cvttps_epi32(whole), _mm256_castps_si256(up));
    return with_sign_of(_mm256_castps_si256(within), value);
}

static inline void settle_eight_f32(const int32_t *acc, const float *scale, enum tsad_activation act, float *y) {
    const __m256 sums = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)acc));
    __m256 value = _mm256_mul_ps(sums, _mm256_loadu_ps(scale));
    if (act == TSAD_ACT_SIGMOID || act == TSAD_ACT_TANH) {
        const int tanh = act == TSAD_ACT_TANH;
        const __m256i x = rounded(value, (float)(12 << TSAD_F32_FRACTION));
        const __m256i half = with_sign_of(x, half_sigmoid(x, TSAD_F32_FRACTION - tanh));
        value = tanh ? _mm256_mul_ps(_mm256_cvtepi32_ps(half), _mm256_set1_ps(0x1p-24f))
                     : _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(half, _mm256_set1_epi32(1 << 24))),
                                     _mm256_set1_ps(0x1p-25f));
    } else if (act == TSAD_ACT_RELU)
        value = _mm256_andnot_ps(_mm256_cmp_ps(value, _mm256_setzero_ps(), _CMP_LT_OQ), value);
    _mm256_storeu_ps(y, value);
}

void TSAD_K(settle_f32)(size_t count, const int32_t *acc, const float *scale, enum tsad_activation act, float *y) {
    size_t r = 0;
    for (; r + LANES <= count; r += LANES)
        settle_eight_f32(acc + r, scale + r, act, y + r);
    if (r < count) {
        int32_t last_acc[LANES] = {0};
        float last_scale[LANES] = {0}, last_y[LANES];
        memcpy(last_acc, acc + r, (count - r) * sizeof *acc);
        memcpy(last_scale, scale + r, (count - r) * sizeof *scale);
        settle_eight_f32(last_acc, last_scale, act, last_y);
        memcpy(y + r, last_y, (count - r) * sizeof *y);
    }
}
