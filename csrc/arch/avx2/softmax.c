/*
 * softmax.c - shares of one on x86 with AVX2: the powers of a few rows at once, as what fills no vector takes long.
 * Order and rounding are those of kernels/shares.h, and so are the bits.
 */
#include "eight.h"
#include "shares.h"

enum { ROWS = 8 };

/* y = x - the row's largest element */
TSAD_INLINE void from_largest(size_t count, const float *x, float *y) {
    __m256 most = _mm256_set1_ps(x[0]);
    size_t k = 0;
    for (; k + TSAD_EIGHT <= count; k += TSAD_EIGHT)
        most = _mm256_max_ps(_mm256_loadu_ps(x + k), most);
    const __m256i lanes = tsad_first_lanes(count - k);
    const __m256 last = _mm256_maskload_ps(x + k, lanes);
    most = _mm256_max_ps(_mm256_blendv_ps(most, last, _mm256_castsi256_ps(lanes)), most);
    most = _mm256_max_ps(most, _mm256_permute2f128_ps(most, most, 1));
    most = _mm256_max_ps(most, _mm256_permute_ps(most, 0x4e));
    most = _mm256_max_ps(most, _mm256_permute_ps(most, 0xb1));
    for (k = 0; k + TSAD_EIGHT <= count; k += TSAD_EIGHT)
        _mm256_storeu_ps(y + k, _mm256_sub_ps(_mm256_loadu_ps(x + k), most));
    _mm256_maskstore_ps(y + k, lanes, _mm256_sub_ps(last, most));
}

/* y = y over its sum: four sums, of every fourth element */
TSAD_INLINE void over_sum(size_t count, float *y) {
    __m128 sum = _mm_setzero_ps();
    size_t k = 0;
    for (; k + 4 <= count; k += 4)
        sum = _mm_add_ps(sum, _mm_loadu_ps(y + k));
    sum = _mm_add_ps(sum, _mm_maskload_ps(y + k, _mm256_castsi256_si128(tsad_first_lanes(count - k))));
    sum = _mm_hadd_ps(sum, sum);
    const __m256 share = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_hadd_ps(sum, sum)));
    for (k = 0; k + TSAD_EIGHT <= count; k += TSAD_EIGHT)
        _mm256_storeu_ps(y + k, _mm256_mul_ps(_mm256_loadu_ps(y + k), share));
    tsad_store_eight(count - k, y + k, _mm256_mul_ps(tsad_load_eight(count - k, y + k), share));
}

static void shares_of_rows(size_t rows, size_t count, const float *x, float *y) {
    for (size_t r = 0; r < rows; r++)
        from_largest(count, x + r * count, y + r * count);
    TSAD_ON_EIGHT(tsad_falling_exp_eight, rows * count, y);
    for (size_t r = 0; r < rows; r++)
        over_sum(count, y + r * count);
}

void TSAD_K(softmax_f32)(size_t n, size_t outer, size_t reduced, size_t inner, int log, const float *x, size_t x_pitch,
                         float *y, size_t y_pitch) {
    const size_t rows = inner == 1 && !log ? ROWS : 1;
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < outer * inner; i += rows) {
            const size_t at = i / inner * reduced * inner + i % inner;
            if (inner == 1 && !log)
                shares_of_rows(outer - i < rows ? outer - i : rows, reduced, x + at, y + at);
            else
                tsad_shares(reduced, inner, log, x + at, y + at);
        }
}
