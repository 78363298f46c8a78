/*
 * softmax_s16.c - shares of one along an axis on x86 with AVX2: eight elements at a time, with the bits of
 * kernels/softmax_s16.c. Divisions are products with the inverse of the sum in doubles: what is divided is a half more
 * than an integer, hence never so close to a multiple that roundings could matter.
 */
#include "lanes.h"

enum { MOST = 1024 }; /* elements of an axis */

static inline __m256i power(__m256i t) {
    const __m256i whole = _mm256_min_epi32(_mm256_srli_epi32(t, 16), _mm256_set1_epi32(17));
    const __m256i at = _mm256_and_si256(_mm256_srli_epi32(t, 11), _mm256_set1_epi32(31));
    const __m256i rest = _mm256_and_si256(t, _mm256_set1_epi32(2047));
    __m256i low, high;
    tsad8_neighbours(TSAD_K(powers_table), at, &low, &high);
    const __m256i more = _mm256_srai_epi32(_mm256_mullo_epi32(_mm256_sub_epi32(high, low), rest), 11);
    const __m256i line = _mm256_add_epi32(low, more);
    const __m256i half = _mm256_srli_epi32(_mm256_sllv_epi32(_mm256_set1_epi32(1), whole), 1);
    return _mm256_srlv_epi32(_mm256_add_epi32(line, half), whole);
}

/* x * inverse, rounded down, of four of x's halves */
static inline __m128i divided(__m128i x, __m256d inverse) {
    const __m256d above = _mm256_add_pd(_mm256_cvtepi32_pd(x), _mm256_set1_pd(0.5));
    return _mm256_cvttpd_epi32(_mm256_mul_pd(above, inverse));
}

static inline __m256i share(__m256i power, __m256i half, __m256d inverse) {
    const __m256i x = _mm256_add_epi32(_mm256_slli_epi32(power, 15), half);
    const __m128i low = divided(_mm256_castsi256_si128(x), inverse);
    const __m128i high = divided(_mm256_extracti128_si256(x, 1), inverse);
    return _mm256_min_epi32(_mm256_set_m128i(high, low), _mm256_set1_epi32(TSAD_LIMIT));
}

/* Of sixteen at a time; x is aligned to nothing. */
static inline int32_t largest(size_t count, const int16_t *x) {
    int16_t lanes[16];
    __m256i most = _mm256_loadu_si256((const __m256i *)(const void *)x);
    for (size_t k = 16; k < count; k += 16)
        most = _mm256_max_epi16(most, _mm256_loadu_si256((const __m256i *)(const void *)(x + k)));
    _mm256_storeu_si256((__m256i *)(void *)lanes, most);
    for (size_t k = 8; k > 0; k /= 2)
        for (size_t l = 0; l < k; l++)
            lanes[l] = lanes[l] > lanes[l + k] ? lanes[l] : lanes[l + k];
    return lanes[0];
}

/* One row or column, `count` elements of x, which are followed by others up to a multiple of 16; in place. */
static void shares(size_t count, int32_t m, int shift, int16_t *x) {
    const __m256i most = _mm256_set1_epi32(largest(count, x));
    const __m256i times = _mm256_set1_epi32(m), by = _mm256_set1_epi32(shift);
    int32_t powers[MOST], lanes[TSAD_LANES];
    __m256i sum = _mm256_setzero_si256();
    for (size_t k = 0; k < count; k += TSAD_LANES) {
        const __m256i depth =
            _mm256_mullo_epi32(_mm256_sub_epi32(most, tsad8_some_s16(x + k, TSAD_LANES)), _mm256_set1_epi32(TSAD_LIFT));
        __m256i one = power(tsad8_requantise(depth, times, by));
        if (k + TSAD_LANES > count) {
            const __m256i at = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            one = _mm256_and_si256(one, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(count - k)), at));
        }
        _mm256_storeu_si256((__m256i *)(void *)(powers + k), one);
        sum = _mm256_add_epi32(sum, one);
    }
    _mm256_storeu_si256((__m256i *)(void *)lanes, sum);
    int32_t all = 0;
    for (size_t l = 0; l < TSAD_LANES; l++)
        all += lanes[l];
    const __m256i half = _mm256_set1_epi32(all >> 1);
    const __m256d inverse = _mm256_set1_pd(1.0 / all);
    for (size_t k = 0; k < count; k += TSAD_LANES)
        tsad8_store_s16(x + k, share(tsad8_load_s32(powers + k), half, inverse));
}

void TSAD_K(softmax_s16)(size_t n, size_t outer, size_t reduced, size_t inner, int32_t m, int shift, const int16_t *x,
                         size_t x_pitch, int16_t *y, size_t y_pitch) {
    const size_t whole = (reduced + 15) / 16 * 16;
    int16_t near[MOST];
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < outer; i++)
            for (size_t j = 0; j < inner; j++) {
                const size_t first = i * reduced * inner + j;
                for (size_t k = 0; k < whole; k++)
                    near[k] = x[first + (k < reduced ? k * inner : 0)];
                shares(reduced, m, shift, near);
                for (size_t k = 0; k < reduced; k++)
                    y[first + k * inner] = near[k];
            }
}
