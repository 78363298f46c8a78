/*
 * panels.c - the inner loop of integer matrix products on x86 with AVX2: of sixteen weights, four of each of a panel's
 * rows, VPMOVSXBW makes s16, and VPMADDWD adds their products with four values in pairs. Sums are exact, so the bits
 * are those of kernels/panels.c.
 */
#include "panels.h"
#include "kernels.h"

#include <immintrin.h>
#include <string.h>

/* Four values in the order of a row's weights, 0 2 1 3, for each of four rows. */
static inline __m256i four_values(const int16_t *x) {
    int64_t values;
    memcpy(&values, x, sizeof values);
    const __m256i each = _mm256_set1_epi64x(values);
    return _mm256_shufflelo_epi16(_mm256_shufflehi_epi16(each, 0xd8), 0xd8);
}

static inline __m256i sixteen_weights(const int8_t *w) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)w));
}

void TSAD_K(add_panels_s8)(size_t panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                           int32_t *acc) {
    size_t p = 0;
    for (; p + 4 <= panels; p += 4, w += 16 * in, b += 16, acc += 16) {
        __m256i sum0 = _mm256_setzero_si256(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        size_t i = 0;
        for (; i + 4 <= in; i += 4) {
            const __m256i values = four_values(x + i);
            const int8_t *at = w + 4 * i;
            sum0 = _mm256_add_epi32(sum0, _mm256_madd_epi16(values, sixteen_weights(at)));
            sum1 = _mm256_add_epi32(sum1, _mm256_madd_epi16(values, sixteen_weights(at + 4 * in)));
            sum2 = _mm256_add_epi32(sum2, _mm256_madd_epi16(values, sixteen_weights(at + 8 * in)));
            sum3 = _mm256_add_epi32(sum3, _mm256_madd_epi16(values, sixteen_weights(at + 12 * in)));
        }
        tsad_end_panel(sum0, i, in, x, w, b, acc);
        tsad_end_panel(sum1, i, in, x, w + 4 * in, b + 4, acc + 4);
        tsad_end_panel(sum2, i, in, x, w + 8 * in, b + 8, acc + 8);
        tsad_end_panel(sum3, i, in, x, w + 12 * in, b + 12, acc + 12);
    }
    for (; p < panels; p++, w += 4 * in, b += 4, acc += 4) {
        __m256i sum = _mm256_setzero_si256();
        size_t i = 0;
        for (; i + 4 <= in; i += 4)
            sum = _mm256_add_epi32(sum, _mm256_madd_epi16(four_values(x + i), sixteen_weights(w + 4 * i)));
        tsad_end_panel(sum, i, in, x, w, b, acc);
    }
}
