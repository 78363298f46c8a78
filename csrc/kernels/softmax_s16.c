/*
 * softmax_s16.c - shares of one along an axis, in units of 2^-15: powers of two of the distances from the largest
 * element, by table, each divided by their sum.
 */
#include "integer.h"

static inline int32_t largest(size_t count, size_t step, const int16_t *x) {
    int32_t most = x[0];
    for (size_t k = 1; k < count; k++)
        most = x[k * step] > most ? x[k * step] : most;
    return most;
}

/* One row or column of `count` elements, `step` apart; x may be y. In between, y holds powers less one: 2^15 is one. */
static inline void shares(size_t count, size_t step, int32_t m, int shift, const int16_t *x, int16_t *y) {
    const int32_t most = largest(count, step, x);
    uint32_t sum = 0;
    for (size_t k = 0; k < count; k++) {
        const int32_t power = tsad_power(tsad_requantise((most - x[k * step]) * TSAD_LIFT, m, shift));
        sum += (uint32_t)power;
        y[k * step] = (int16_t)(power - 1);
    }
    const uint32_t half = sum >> 1;
    for (size_t k = 0; k < count; k++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): the largest element's power alone is 2^15 */
        const uint32_t share = (((uint32_t)(y[k * step] + 1) << 15) + half) / sum;
        y[k * step] = share < TSAD_LIMIT ? (int16_t)share : (int16_t)TSAD_LIMIT;
    }
}

void TSAD_K(softmax_s16)(size_t n, size_t outer, size_t reduced, size_t inner, int32_t m, int shift, const int16_t *x,
                         size_t x_pitch, int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < outer; i++)
            for (size_t j = 0; j < inner; j++)
                shares(reduced, inner, m, shift, x + i * reduced * inner + j, y + i * reduced * inner + j);
}
