/*
 * rows.c - the next rows of s8 weights times one s16 vector on x86 with AVX2: those that fill no panel lie in a row,
 * sixteen weights at a time. Sums are exact, so the bits are those of kernels/rows.c.
 */
#include "kernels.h"

#include <immintrin.h>

static int32_t add_row(size_t in, const int16_t *x, const int8_t *w, int32_t sum) {
    __m256i sums = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 16 <= in; i += 16) {
        const __m256i values = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        const __m256i weights = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(w + i)));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(values, weights));
    }
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    for (; i + 8 <= in; i += 8) {
        const __m128i values = _mm_loadu_si128((const __m128i *)(const void *)(x + i));
        const __m128i weights = _mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)(w + i)));
        four = _mm_add_epi32(four, _mm_madd_epi16(values, weights));
    }
    four = _mm_hadd_epi32(four, four);
    sum += _mm_cvtsi128_si32(_mm_hadd_epi32(four, four));
    for (; i < in; i++)
        sum += x[i] * w[i];
    return sum;
}

size_t TSAD_K(next_rows_s8)(size_t left, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                            int32_t acc[TSAD_ROWS]) {
    const size_t most = TSAD_ROWS, four = left < most ? left - left % 4 : most;
    if (four > 0)
        TSAD_K(add_panels_s8)(four / 4, in, x, w, b, acc);
    else
        acc[0] = add_row(in, x, w, b[0]);
    return four > 0 ? four : 1;
}
