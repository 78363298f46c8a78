/*
 * lines.c - the sums of all matrix products: y (out) += x (in) . w (in, out), for a few lines x, y at once.
 *
 * The innermost loop runs along the outputs, which a compiler makes vector code of; it adds eight inputs (or four)
 * at a time, and the weights of these serve all lines while they are near. None of this changes the order of terms
 * within a sum.
 */
#include "lines.h"
#include "kernels.h"

/* y (out) += x (8) . w (8, out); elements of x are `step` apart, rows of w `row` */
static inline void add_eight(size_t out, const float *restrict x, size_t step, const float *restrict w, size_t row,
                             float *restrict y) {
    const float *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row, *w4 = w3 + row, *w5 = w4 + row, *w6 = w5 + row,
                *w7 = w6 + row;
    const float x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step], x4 = x[4 * step], x5 = x[5 * step],
                x6 = x[6 * step], x7 = x[7 * step];
    for (size_t o = 0; o < out; o++)
        y[o] =
            y[o] + x0 * w[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o] + x4 * w4[o] + x5 * w5[o] + x6 * w6[o] + x7 * w7[o];
}

static inline void add_four(size_t out, const float *restrict x, size_t step, const float *restrict w, size_t row,
                            float *restrict y) {
    const float *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row;
    const float x0 = x[0], x1 = x[step], x2 = x[2 * step], x3 = x[3 * step];
    for (size_t o = 0; o < out; o++)
        y[o] = y[o] + x0 * w[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o];
}

static inline void add_one(size_t out, float x, const float *restrict w, float *restrict y) {
    for (size_t o = 0; o < out; o++)
        y[o] += x * w[o];
}

/* A few outputs: no vector along them, but the sums of four lines are under way at once. */
static inline void add_narrow(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                              size_t row, float *const *y) {
    const size_t fours = lines - lines % 4;
    for (size_t l = 0; l < fours; l += 4)
        for (size_t o = 0; o < out; o++) {
            const float *x0 = x[l], *x1 = x[l + 1], *x2 = x[l + 2], *x3 = x[l + 3];
            float sum0 = y[l][o], sum1 = y[l + 1][o], sum2 = y[l + 2][o], sum3 = y[l + 3][o];
            for (size_t i = 0; i < in; i++) {
                sum0 += x0[i * step] * w[i * row + o];
                sum1 += x1[i * step] * w[i * row + o];
                sum2 += x2[i * step] * w[i * row + o];
                sum3 += x3[i * step] * w[i * row + o];
            }
            y[l][o] = sum0;
            y[l + 1][o] = sum1;
            y[l + 2][o] = sum2;
            y[l + 3][o] = sum3;
        }
    for (size_t l = fours; l < lines; l++)
        for (size_t o = 0; o < out; o++) {
            float sum = y[l][o];
            for (size_t i = 0; i < in; i++)
                sum += x[l][i * step] * w[i * row + o];
            y[l][o] = sum;
        }
}

void TSAD_K(add_lines_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                           size_t row, const float *b, float *const *y) {
    size_t i = 0;
    if (b != NULL)
        tsad_start_lines(lines, out, b, y);
    if (out < 4) {
        add_narrow(lines, in, out, x, step, w, row, y);
        return;
    }
    for (; i + 8 <= in; i += 8)
        for (size_t l = 0; l < lines; l++)
            add_eight(out, x[l] + i * step, step, w + i * row, row, y[l]);
    for (; i + 4 <= in; i += 4)
        for (size_t l = 0; l < lines; l++)
            add_four(out, x[l] + i * step, step, w + i * row, row, y[l]);
    for (; i < in; i++)
        for (size_t l = 0; l < lines; l++)
            add_one(out, x[l][i * step], w + i * row, y[l]);
}
