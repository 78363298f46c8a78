/*
 * binary_s16.c - s16 values in pairs on x86 with AVX2: add and mul of eight at a time, with the bits of
 * kernels/binary_s16.c.
 */
#include "lanes.h"

/* y = (a * left + b * right) / 2^(19 + shift), or a * b * left / 2^(32 + shift). */
typedef struct factors {
    __m256i left, right, shift;
    int32_t limit;
} factors;

/* Of two matrices with strides of their own. */
typedef struct operand {
    const int16_t *x;
    size_t pitch;
    const size_t *strides;
} operand;

/* The high halves of sums of two products. */
static inline __m256i high_of_sum(__m256i a, __m256i left, __m256i b, __m256i right) {
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(a, left), _mm256_mul_epi32(b, right));
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(a, 32), left),
                                         _mm256_mul_epi32(_mm256_srli_epi64(b, 32), right));
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}

static inline __m256i sum_of(__m256i a, __m256i b, const factors *by) {
    const __m256i lift = _mm256_set1_epi32(TSAD_LIFT);
    return tsad8_halved(high_of_sum(_mm256_mullo_epi32(a, lift), by->left, _mm256_mullo_epi32(b, lift), by->right),
                        by->shift);
}

static inline __m256i product_of(__m256i a, __m256i b, const factors *by) {
    return tsad8_requantise(_mm256_mullo_epi32(a, b), by->left, by->shift);
}

/* Eight values, or `count` where these are fewer, that are `step` apart. */
static inline __m256i values_of(const int16_t *x, size_t step, size_t count) {
    int16_t near[TSAD_LANES] = {0};
    if (step == 1)
        return tsad8_some_s16(x, count);
    if (step == 0)
        return _mm256_set1_epi32(*x);
    for (size_t k = 0; k < count && k < TSAD_LANES; k++)
        near[k] = x[k * step];
    return tsad8_some_s16(near, TSAD_LANES);
}

static inline void combine(size_t count, const int16_t *a, size_t a_step, const int16_t *b, size_t b_step, int product,
                           const factors *by, int16_t *y) {
    const __m256i first = values_of(a, a_step, count), second = values_of(b, b_step, count);
    const __m256i value = product ? product_of(first, second, by) : sum_of(first, second, by);
    tsad8_store_some_s16(y, count, tsad8_clamped(value, -by->limit, by->limit));
}

/* Rows are eights, and what is left of them. */
static inline void walk(size_t n, const size_t d[3], operand a, operand b, int product, const factors *by, int16_t *y,
                        size_t y_pitch) {
    const size_t a_step = a.strides[2], b_step = b.strides[2], eights = d[2] - d[2] % TSAD_LANES;
    for (size_t window = 0; window < n; window++, a.x += a.pitch, b.x += b.pitch)
        for (size_t row = 0; row < d[0] * d[1]; row++) {
            const int16_t *p = a.x + row / d[1] * a.strides[0] + row % d[1] * a.strides[1];
            const int16_t *q = b.x + row / d[1] * b.strides[0] + row % d[1] * b.strides[1];
            int16_t *const to = y + window * y_pitch + row * d[2];
            for (size_t k = 0; k < eights; k += TSAD_LANES)
                combine(TSAD_LANES, p + k * a_step, a_step, q + k * b_step, b_step, product, by, to + k);
            if (eights < d[2])
                combine(d[2] - eights, p + eights * a_step, a_step, q + eights * b_step, b_step, product, by,
                        to + eights);
        }
}

void TSAD_K(add_s16)(size_t n, const size_t d[3], const int16_t *a, size_t a_pitch, const size_t as[3],
                     const int16_t *b, size_t b_pitch, const size_t bs[3], int32_t left, int32_t right, int shift,
                     int32_t limit, int16_t *y, size_t y_pitch) {
    const factors by = {_mm256_set1_epi32(left), _mm256_set1_epi32(right), _mm256_set1_epi32(shift), limit};
    walk(n, d, (operand){a, a_pitch, as}, (operand){b, b_pitch, bs}, 0, &by, y, y_pitch);
}

void TSAD_K(mul_s16)(size_t n, const size_t d[3], const int16_t *a, size_t a_pitch, const size_t as[3],
                     const int16_t *b, size_t b_pitch, const size_t bs[3], int32_t m, int shift, int32_t limit,
                     int16_t *y, size_t y_pitch) {
    const factors by = {_mm256_set1_epi32(m), _mm256_setzero_si256(), _mm256_set1_epi32(shift), limit};
    walk(n, d, (operand){a, a_pitch, as}, (operand){b, b_pitch, bs}, 1, &by, y, y_pitch);
}
