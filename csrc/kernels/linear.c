/*
 * linear.c - dense layers: y = act(x . w + b) on every row of every window.
 *
 * The inner loop runs along the outputs, which a compiler makes vector code of; it adds eight inputs at a time, and the
 * weights of these serve a group of lines (rows of any windows) while they are near. None of this changes the order
 * of terms within a sum.
 */
#include "elementary.h"
#include "kernels.h"

enum { TOGETHER = 16 };

/* y (out) += the terms of eight inputs: x (8), w (8, out) */
static void add_eight(size_t out, const float *restrict x, const float *restrict w, float *restrict y) {
    const float *w1 = w + out, *w2 = w1 + out, *w3 = w2 + out, *w4 = w3 + out, *w5 = w4 + out, *w6 = w5 + out,
                *w7 = w6 + out;
    const float x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3], x4 = x[4], x5 = x[5], x6 = x[6], x7 = x[7];
    for (size_t o = 0; o < out; o++)
        y[o] =
            y[o] + x0 * w[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o] + x4 * w4[o] + x5 * w5[o] + x6 * w6[o] + x7 * w7[o];
}

static void add_one(size_t out, float x, const float *restrict w, float *restrict y) {
    for (size_t o = 0; o < out; o++)
        y[o] += x * w[o];
}

/* A few outputs: no vector along them, but the sums of four lines are under way at once. */
static void narrow(size_t lines, size_t in, size_t out, const float *const *x, const float *w, const float *b,
                   float *const *y) {
    size_t l = 0;
    for (; l + 4 <= lines; l += 4)
        for (size_t o = 0; o < out; o++) {
            const float start = b != NULL ? b[o] : 0.0f, *x0 = x[l], *x1 = x[l + 1], *x2 = x[l + 2], *x3 = x[l + 3];
            float sum0 = start, sum1 = start, sum2 = start, sum3 = start;
            for (size_t i = 0; i < in; i++) {
                sum0 += x0[i] * w[i * out + o];
                sum1 += x1[i] * w[i * out + o];
                sum2 += x2[i] * w[i * out + o];
                sum3 += x3[i] * w[i * out + o];
            }
            y[l][o] = sum0;
            y[l + 1][o] = sum1;
            y[l + 2][o] = sum2;
            y[l + 3][o] = sum3;
        }
    for (; l < lines; l++)
        for (size_t o = 0; o < out; o++) {
            float sum = b != NULL ? b[o] : 0.0f;
            for (size_t i = 0; i < in; i++)
                sum += x[l][i] * w[i * out + o];
            y[l][o] = sum;
        }
}

static void wide(size_t lines, size_t in, size_t out, const float *const *x, const float *w, const float *b,
                 float *const *y) {
    size_t i = 0;
    for (size_t l = 0; l < lines; l++)
        for (size_t o = 0; o < out; o++)
            y[l][o] = b != NULL ? b[o] : 0.0f;
    for (; i + 8 <= in; i += 8)
        for (size_t l = 0; l < lines; l++)
            add_eight(out, x[l] + i, w + i * out, y[l]);
    for (; i < in; i++)
        for (size_t l = 0; l < lines; l++)
            add_one(out, x[l][i], w + i * out, y[l]);
}

void TSAD_K(linear_f32)(size_t n, size_t rows, size_t in, size_t out, const float *x, size_t x_pitch, const float *w,
                        const float *b, enum tsad_activation act, float *y, size_t y_pitch) {
    const float *from[TOGETHER];
    float *to[TOGETHER];
    size_t lines = 0;
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            from[lines] = x + window * x_pitch + row * in;
            to[lines++] = y + window * y_pitch + row * out;
            if (lines < TOGETHER && (window + 1 < n || row + 1 < rows))
                continue;
            if (out < 4)
                narrow(lines, in, out, from, w, b, to);
            else
                wide(lines, in, out, from, w, b, to);
            for (size_t l = 0; l < lines; l++)
                tsad_activate(act, out, to[l]);
            lines = 0;
        }
}
