/*
 * settle.c - what sums of integer matrix products become, on x86 with AVX2: eight rows at a time, with the bits of
 * kernels/settle.c.
 */
#include "lanes.h"

static inline __m256i activated(__m256i x, enum tsad_activation act, int fraction, int32_t limit) {
    if (act == TSAD_ACT_SIGMOID)
        return tsad8_sigmoid(x, fraction);
    if (act == TSAD_ACT_TANH)
        return tsad8_tanh(x, fraction);
    return tsad8_clamped(x, act == TSAD_ACT_RELU ? 0 : -limit, limit);
}

static inline void settle_some_s16(size_t count, const int32_t *acc, const int32_t *m, const int8_t *shift,
                                   enum tsad_activation act, int fraction, int32_t limit, int16_t *y) {
    const __m256i value =
        tsad8_requantise(tsad8_some_s32(acc, count), tsad8_some_s32(m, count), tsad8_some_s8(shift, count));
    tsad8_store_some_s16(y, count, activated(value, act, fraction, limit));
}

void TSAD_K(settle_s16)(size_t count, const int32_t *acc, const int32_t *m, const int8_t *shift,
                        enum tsad_activation act, int fraction, int32_t limit, int16_t *y) {
    if (count < TSAD_LANES)
        settle_some_s16(count, acc, m, shift, act, fraction, limit, y);
    else
        for (size_t k = 0; k < count; k += TSAD_LANES) {
            const size_t r = tsad8_within(k, count);
            settle_some_s16(TSAD_LANES, acc + r, m + r, shift + r, act, fraction, limit, y + r);
        }
}

/* x to the nearest integer, halves away from zero; beyond +-limit, or NaN, the limit */
static inline __m256i rounded(__m256 x, float limit) {
    const __m256 high = _mm256_set1_ps(limit), sign = _mm256_set1_ps(-0.0f);
    const __m256 within = _mm256_max_ps(_mm256_min_ps(x, high), _mm256_xor_ps(high, sign));
    const __m256 size = _mm256_andnot_ps(sign, within), whole = _mm256_floor_ps(size);
    const __m256 up = _mm256_cmp_ps(_mm256_sub_ps(size, whole), _mm256_set1_ps(0.5f), _CMP_GE_OQ);
    const __m256i value = _mm256_sub_epi32(_mm256_cvttps_epi32(whole), _mm256_castps_si256(up));
    return tsad8_with_sign_of(_mm256_castps_si256(within), value);
}

static inline __m256 activated_f32(__m256 value, enum tsad_activation act) {
    if (act == TSAD_ACT_SIGMOID || act == TSAD_ACT_TANH) {
        const int tanh = act == TSAD_ACT_TANH;
        const __m256i x = rounded(value, (float)(12 << TSAD_F32_FRACTION));
        const __m256i half = tsad8_with_sign_of(x, tsad8_half_sigmoid(x, TSAD_F32_FRACTION - tanh));
        return tanh ? _mm256_mul_ps(_mm256_cvtepi32_ps(half), _mm256_set1_ps(0x1p-24f))
                    : _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(half, _mm256_set1_epi32(1 << 24))),
                                    _mm256_set1_ps(0x1p-25f));
    }
    if (act == TSAD_ACT_RELU)
        return _mm256_andnot_ps(_mm256_cmp_ps(value, _mm256_setzero_ps(), _CMP_LT_OQ), value);
    return value;
}

static inline __m256 settled_f32(const int32_t *acc, const float *scale, enum tsad_activation act) {
    return activated_f32(_mm256_mul_ps(_mm256_cvtepi32_ps(tsad8_load_s32(acc)), _mm256_loadu_ps(scale)), act);
}

void TSAD_K(settle_f32)(size_t count, const int32_t *acc, const float *scale, enum tsad_activation act, float *y) {
    if (count < TSAD_LANES) {
        int32_t some_acc[TSAD_LANES] = {0};
        float some[TSAD_LANES] = {0};
        memcpy(some_acc, acc, count * sizeof *acc);
        memcpy(some, scale, count * sizeof *scale);
        _mm256_storeu_ps(some, settled_f32(some_acc, some, act));
        memcpy(y, some, count * sizeof *y);
        return;
    }
    for (size_t k = 0; k < count; k += TSAD_LANES) {
        const size_t r = tsad8_within(k, count);
        _mm256_storeu_ps(y + r, settled_f32(acc + r, scale + r, act));
    }
}
