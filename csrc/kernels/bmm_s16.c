/*
 * bmm_s16.c - products of two computed matrices of s16 values, or of many pairs of them. Sums have 64 bits; two at once
 * share what is read of a.
 */
#include "integer.h"

typedef struct settling {
    int sum_shift, shift;
    int32_t m, limit;
} settling;

static inline int16_t settled(int64_t acc, settling by) {
    const int32_t sum = (int32_t)((acc + (((int64_t)1 << by.sum_shift) >> 1)) >> by.sum_shift);
    return (int16_t)tsad_clamped(tsad_requantise(sum, by.m, by.shift), -by.limit, by.limit);
}

/* y (out) = a (in) . b (in, out) */
static inline void multiply_row(size_t in, size_t out, const int16_t *a, size_t a_step, const int16_t *b, size_t b_step,
                                size_t b_next, settling by, int16_t *y) {
    for (size_t o = 0; o < out; o += 2, b += 2 * b_next) {
        const size_t other = o + 1 < out ? b_next : 0; /* beside an odd last one there is only itself */
        const int16_t *p = a, *q = b;
        int64_t first = 0, second = 0;
        for (size_t k = in; k > 0; k--, p += a_step, q += b_step) {
            first += *p * q[0];
            second += *p * q[other];
        }
        y[o] = settled(first, by);
        if (o + 1 < out)
            y[o + 1] = settled(second, by);
    }
}

void TSAD_K(bmm_s16)(size_t n, size_t count, size_t rows, size_t in, size_t out, const int16_t *a, size_t a_pitch,
                     const size_t as[3], const int16_t *b, size_t b_pitch, const size_t bs[3], int sum_shift, int32_t m,
                     int shift, int32_t limit, int16_t *y, size_t y_pitch) {
    const settling by = {sum_shift, shift, m, limit};
    for (size_t window = 0; window < n; window++, a += a_pitch, b += b_pitch, y += y_pitch)
        for (size_t i = 0; i < count; i++)
            for (size_t row = 0; row < rows; row++)
                multiply_row(in, out, a + i * as[0] + row * as[1], as[2], b + i * bs[0], bs[1], bs[2], by,
                             y + (i * rows + row) * out);
}
