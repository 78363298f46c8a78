/*
 * panels.c - the inner loop of integer matrix products on x86 with AVX-512: VPDPBUSD adds products of bytes in fours,
 * so that weights are taken as they lie there, and values apart, as high and low bytes. Sums are exact, so the bits are
 * those of kernels/panels.c.
 *
 * One factor has to be unsigned: of low bytes the value, of high bytes the weight, which 128 is added to; 128 times
 * the sum of these bytes is then too much. What is beyond 32 bits on the way is lost, and does not count: the sum
 * itself fits.
 */
#include "kernels.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { COLUMNS = 16, PANELS = 4 };

/* Of up to sixteen values the low and high bytes, in the order of the weights: four columns for each of four rows. */
typedef struct bytes {
    __m512i low, high;
} bytes;

INLINE bytes bytes_of(__m256i values) {
    const __m128i order = _mm_setr_epi8(0, 4, 2, 6, 8, 12, 10, 14, 1, 5, 3, 7, 9, 13, 11, 15);
    const __m256i apart = _mm256_shuffle_epi8(values, _mm256_broadcastsi128_si256(order));
    const __m512i both = _mm512_castsi256_si512(apart);
    return (bytes){_mm512_permutexvar_epi32(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 4, 4, 4, 4, 5, 5, 5, 5), both),
                   _mm512_permutexvar_epi32(_mm512_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3, 6, 6, 6, 6, 7, 7, 7, 7), both)};
}

/* Sums of the products with low bytes, with high bytes; and of high bytes themselves. */
typedef struct sums {
    __m512i low[PANELS], high[PANELS], all;
} sums;

INLINE void add_columns(int panels, const bytes *x, const __m512i *w, sums *sum) {
    const __m512i offset = _mm512_set1_epi8(-128);
    sum->all = _mm512_dpbusd_epi32(sum->all, _mm512_set1_epi8(1), x->high);
    for (int p = 0; p < panels; p++) {
        __m512i weights = w[p];
        __asm__("" : "+v"(weights)); /* read once */
        sum->low[p] = _mm512_dpbusd_epi32(sum->low[p], x->low, weights);
        sum->high[p] = _mm512_dpbusd_epi32(sum->high[p], _mm512_xor_si512(weights, offset), x->high);
    }
}

/* Of four vectors the sums of their four parts. */
INLINE __m512i folded(const __m512i *x) {
    const __m512i first =
        _mm512_add_epi32(_mm512_shuffle_i32x4(x[0], x[1], 0x44), _mm512_shuffle_i32x4(x[0], x[1], 0xee));
    const __m512i last =
        _mm512_add_epi32(_mm512_shuffle_i32x4(x[2], x[3], 0x44), _mm512_shuffle_i32x4(x[2], x[3], 0xee));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(first, last, 0x88), _mm512_shuffle_i32x4(first, last, 0xdd));
}

/* One of the columns that are left, times its value. */
INLINE __m512i last_column(int panels, size_t in, int16_t x, const int8_t *w) {
    int32_t weights[PANELS] = {0};
    for (int p = 0; p < panels; p++)
        memcpy(weights + p, w + 4 * in * (size_t)p, 4);
    const __m128i all = _mm_loadu_si128((const __m128i *)(const void *)weights);
    return _mm512_mullo_epi32(_mm512_cvtepi8_epi32(all), _mm512_set1_epi32(x));
}

/* acc (4 * panels) = b + x . w */
INLINE void add_some(int panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b, int32_t *acc) {
    const size_t fours = in - in % 4, left = fours % COLUMNS;
    const __mmask16 columns = (__mmask16)(0xffffu >> (COLUMNS - left)),
                    rows = (__mmask16)(0xffffu >> (16 - 4 * panels));
    __m512i weights[PANELS];
    sums sum;
    size_t i = 0;
    sum.all = _mm512_setzero_si512();
    for (int p = 0; p < PANELS; p++)
        sum.low[p] = sum.high[p] = sum.all;
    for (; i + COLUMNS <= fours; i += COLUMNS) {
        const bytes values = bytes_of(_mm256_loadu_si256((const __m256i *)(const void *)(x + i)));
        for (int p = 0; p < panels; p++)
            weights[p] = _mm512_loadu_si512(w + 4 * (in * (size_t)p + i));
        add_columns(panels, &values, weights, &sum);
    }
    if (left > 0) {
        const bytes values = bytes_of(_mm256_maskz_loadu_epi16(columns, x + i));
        for (int p = 0; p < panels; p++)
            weights[p] = _mm512_maskz_loadu_epi32(columns, w + 4 * (in * (size_t)p + i));
        add_columns(panels, &values, weights, &sum);
    }
    for (int p = 0; p < panels; p++)
        sum.low[p] = _mm512_add_epi32(
            sum.low[p], _mm512_slli_epi32(_mm512_sub_epi32(sum.high[p], _mm512_slli_epi32(sum.all, 7)), 8));
    __m512i whole = folded(sum.low);
    for (i = fours; i < in; i++)
        whole = _mm512_add_epi32(whole, last_column(panels, in, x[i], w + 4 * i));
    _mm512_mask_storeu_epi32(acc, rows, _mm512_add_epi32(whole, _mm512_maskz_loadu_epi32(rows, b)));
}

void TSAD_K(add_panels_s8)(size_t panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                           int32_t *acc) {
    for (; panels >= PANELS; panels -= PANELS, w += 4 * PANELS * in, b += 4 * PANELS, acc += 4 * PANELS)
        add_some(PANELS, in, x, w, b, acc);
    if (panels == 3)
        add_some(3, in, x, w, b, acc);
    else if (panels == 2)
        add_some(2, in, x, w, b, acc);
    else if (panels == 1)
        add_some(1, in, x, w, b, acc);
}
