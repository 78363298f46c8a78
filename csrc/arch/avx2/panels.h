/*
 * panels.h - what integer matrix products on x86 with AVX2 share: how the sums of a panel of four rows end.
 */
#ifndef TSAD_PANELS_H
#define TSAD_PANELS_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* acc (4) = b (4) + sums, of which each row has two; and the columns that are left, from i on */
static inline void tsad_end_panel(__m256i sum, size_t i, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                                  int32_t *acc) {
    const __m128i low = _mm256_castsi256_si128(sum), high = _mm256_extracti128_si256(sum, 1);
    _mm_storeu_si128((__m128i *)(void *)acc,
                     _mm_add_epi32(_mm_hadd_epi32(low, high), _mm_loadu_si128((const __m128i *)(const void *)b)));
    for (w += 4 * i; i < in; i++, w += 4)
        for (size_t r = 0; r < 4; r++)
            acc[r] += x[i] * w[r];
}

#endif
