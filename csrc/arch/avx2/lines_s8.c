/*
 * lines_s8.c - a matrix of s8 weights times several s16 vectors on x86 with AVX2: three lines share weights that were
 * made s16 once, and all lines a tile of weights while it is near. Sums are exact, so a line's are the same in any
 * company.
 */
#include "panels.h"

#include <string.h>

enum { LINES = 3, PANELS = 2, WIDE = 4 * PANELS };

/* Of four rows and four columns the weights, in the order of the values; in memory columns go 0 2 1 3. */
static inline __m256i sixteen_weights(const int8_t *w) {
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    const __m128i there = _mm_loadu_si128((const __m128i *)(const void *)w);
    return _mm256_cvtepi8_epi16(_mm_shuffle_epi8(there, order));
}

/* Four values, for each of four rows. */
static inline __m256i four_values(const int16_t *x) {
    int64_t values;
    memcpy(&values, x, sizeof values);
    return _mm256_set1_epi64x(values);
}

/* Two panels of three lines, for rows from `at` on. */
static void add_tile(size_t in, const int16_t *const *x, const int8_t *w, const int32_t *b, size_t at,
                     int32_t *const *acc) {
    __m256i sum[LINES][PANELS];
    size_t i = 0;
    for (int l = 0; l < LINES; l++)
        for (int p = 0; p < PANELS; p++)
            sum[l][p] = _mm256_setzero_si256();
    for (; i + 4 <= in; i += 4) {
        const __m256i first = sixteen_weights(w + 4 * i), second = sixteen_weights(w + 4 * in + 4 * i);
        for (int l = 0; l < LINES; l++) {
            const __m256i values = four_values(x[l] + i);
            sum[l][0] = _mm256_add_epi32(sum[l][0], _mm256_madd_epi16(values, first));
            sum[l][1] = _mm256_add_epi32(sum[l][1], _mm256_madd_epi16(values, second));
        }
    }
#pragma GCC unroll 4 /* so that sums stay in registers before */
    for (size_t l = 0; l < LINES; l++)
#pragma GCC unroll 2
        for (size_t p = 0; p < PANELS; p++)
            tsad_end_panel(sum[l][p], i, in, x[l], w + 4 * in * p, b + 4 * p, acc[l] + at + 4 * p);
}

void TSAD_K(add_lines_s8)(size_t lines, size_t in, size_t out, const int16_t *const *x, const int8_t *w,
                          const int32_t *b, int32_t *const *acc) {
    const size_t most = lines - lines % LINES, wide = out - out % WIDE;
    for (size_t o = 0; o < wide; o += WIDE)
        for (size_t l = 0; l < most; l += LINES)
            add_tile(in, x + l, w + o * in, b + o, o, acc + l);
    for (size_t l = 0; l < lines; l++)
        for (size_t o = l < most ? wide : 0, count; o < out; o += count)
            count = TSAD_K(next_rows_s8)(out - o, in, x[l], w + o * in, b + o, acc[l] + o);
}
