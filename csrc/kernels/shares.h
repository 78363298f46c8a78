/*
 * shares.h - shares of one along a row or a column, and their logarithms. The largest element is subtracted first, so
 * that nothing overflows; what lies more than 104 beneath it has a share of exactly 0.
 */
#ifndef TSAD_SHARES_H
#define TSAD_SHARES_H

#include "functions.h"

/*
 * Four at once, every fourth element each: one after the other they would wait for each other. NaN may be passed over
 * here, as it makes the sum NaN, and with that every share.
 */
static inline float tsad_largest(size_t count, size_t step, const float *x) {
    float most[4] = {x[0], x[0], x[0], x[0]};
    size_t k = 0;
    for (; k + 4 <= count; k += 4)
        for (size_t j = 0; j < 4; j++)
            most[j] = x[(k + j) * step] > most[j] ? x[(k + j) * step] : most[j];
    for (; k < count; k++)
        most[0] = x[k * step] > most[0] ? x[k * step] : most[0];
    for (size_t j = 1; j < 4; j++)
        most[0] = most[j] > most[0] ? most[j] : most[0];
    return most[0];
}

static inline float tsad_sum_of(size_t count, size_t step, const float *x) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    size_t k = 0;
    for (; k + 4 <= count; k += 4)
        for (size_t j = 0; j < 4; j++)
            sum[j] += x[(k + j) * step];
    for (size_t j = 0; k < count; k++, j++)
        sum[j] += x[k * step];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* One row or column of `count` elements, `step` apart; x may be y. */
static inline void tsad_shares(size_t count, size_t step, int log, const float *x, float *y) {
    const float most = tsad_largest(count, step, x);
    for (size_t k = 0; k < count; k++)
        y[k * step] = x[k * step] - most;
    if (log) {
        float sum = 0.0f; /* as the result stands in y, there is no place for what is summed */
        for (size_t k = 0; k < count; k++)
            sum += tsad_exp(y[k * step]);
        const float whole = tsad_log(sum);
        for (size_t k = 0; k < count; k++)
            y[k * step] -= whole;
        return;
    }
    for (size_t k = 0; k < count; k++)
        y[k * step] = tsad_exp(y[k * step]);
    const float share = 1.0f / tsad_sum_of(count, step, y);
    for (size_t k = 0; k < count; k++)
        y[k * step] *= share;
}

#endif
