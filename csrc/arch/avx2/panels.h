/*
 * panels.h - what integer matrix products on x86 with AVX2 share: how the sums of a panel of four rows end, and sums of
 * many lines at once.
 */
#ifndef TSAD_PANELS_H
#define TSAD_PANELS_H

#include "kernels.h"

#include <immintrin.h>
#include <string.h>

/*
 * lines_s8.c: acc[l] (out) = b (out) + x[l] (in) . w (out, in) for each line l; w is all rows of a matrix from one of
 * its panels on, or some whole panels of it.
 */
void TSAD_K(add_lines_s8)(size_t lines, size_t in, size_t out, const int16_t *const *x, const int8_t *w,
                          const int32_t *b, int32_t *const *acc);

/* acc (4) = b (4) + sums, of which each row has two; and the columns that are left, from i on */
static inline void tsad_end_panel(__m256i sum, size_t i, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                                  int32_t *acc) {
    const __m128i low = _mm256_castsi256_si128(sum), high = _mm256_extracti128_si256(sum, 1);
    __m128i all = _mm_add_epi32(_mm_hadd_epi32(low, high), _mm_loadu_si128((const __m128i *)(const void *)b));
    for (w += 4 * i; i < in; i++, w += 4) {
        int32_t four;
        memcpy(&four, w, sizeof four);
        const __m128i value = _mm_set1_epi32((uint16_t)x[i]), weights = _mm_cvtepi8_epi32(_mm_cvtsi32_si128(four));
        all = _mm_add_epi32(all, _mm_madd_epi16(value, weights));
    }
    _mm_storeu_si128((__m128i *)(void *)acc, all);
}

#endif
