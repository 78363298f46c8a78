/*
 * linear_s8.c - dense layers of s16 values with s8 weights on x86 with AVX2: three lines share weights that were made
 * s16 once. Sums are exact, so the bits are those of kernels/linear_s8.c; lines that are left go the way of rows.c.
 */
#include "kernels.h"
#include "panels.h"

#include <immintrin.h>
#include <string.h>

enum { LINES = 3, PANELS = 2, WIDE = 4 * PANELS };

typedef int32_t sums[LINES][TSAD_ROWS];

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

/* Two panels of all three lines, for rows from `at` on. */
static void add_tile(size_t in, const int16_t *const *x, const int8_t *w, const int32_t *b, size_t at, sums acc) {
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

/* The next rows of all lines; how many these are. */
static size_t next_rows(size_t left, size_t lines, size_t in, const int16_t *const *x, const int8_t *w,
                        const int32_t *b, sums acc) {
    size_t count = 0;
    if (lines < LINES || left < WIDE) {
        for (size_t l = 0; l < lines; l++)
            count = TSAD_K(next_rows_s8)(left, in, x[l], w, b, acc[l]);
        return count;
    }
    for (; count + WIDE <= left && count + WIDE <= TSAD_ROWS; count += WIDE)
        add_tile(in, x, w + count * in, b + count, count, acc);
    return count;
}

/* The next lines, of all rows of all windows; how many these are. */
static size_t next_lines(size_t at, size_t n, size_t rows, size_t in, const int16_t *x, size_t x_pitch,
                         const int16_t **from) {
    const size_t left = n * rows - at, lines = left < LINES ? left : (size_t)LINES;
    for (size_t l = 0; l < lines; l++)
        from[l] = x + (at + l) / rows * x_pitch + (at + l) % rows * in;
    return lines;
}

void TSAD_K(linear_s8_s16)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const int32_t *m, const int8_t *shift,
                           enum tsad_activation act, int fraction, int32_t limit, int16_t *y, size_t y_pitch) {
    const int16_t *from[LINES];
    sums acc;
    for (size_t at = 0, lines; at < n * rows; at += lines) {
        lines = next_lines(at, n, rows, in, x, x_pitch, from);
        for (size_t o = 0, count; o < out; o += count) {
            count = next_rows(out - o, lines, in, from, w + o * in, b + o, acc);
            for (size_t l = 0; l < lines; l++)
                TSAD_K(settle_s16)
            (count, acc[l], m + o, shift + o, act, fraction, limit,
             y + (at + l) / rows * y_pitch + (at + l) % rows * out + o);
        }
    }
}

void TSAD_K(linear_s8_f32)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const float *scale, enum tsad_activation act, float *y,
                           size_t y_pitch) {
    const int16_t *from[LINES];
    sums acc;
    for (size_t at = 0, lines; at < n * rows; at += lines) {
        lines = next_lines(at, n, rows, in, x, x_pitch, from);
        for (size_t o = 0, count; o < out; o += count) {
            count = next_rows(out - o, lines, in, from, w + o * in, b + o, acc);
            for (size_t l = 0; l < lines; l++)
                TSAD_K(settle_f32)
            (count, acc[l], scale + o, act, y + (at + l) / rows * y_pitch + (at + l) % rows * out + o);
        }
    }
}
