/*
 * linear.c - dense layers on x86 with AVX2: the sums as in kernels/linear.c, then the activation of all lines that lie
 * one behind the other at once, as what fills no vector takes long. The bits of an activation are those of the portable
 * one.
 */
#include "eight.h"
#include "elementary.h"
#include "kernels.h"

enum { TOGETHER = 128 };

static void activate(enum tsad_activation act, size_t count, float *y) {
    if (act == TSAD_ACT_TANH)
        TSAD_ON_EIGHT(tsad_tanh_eight, count, y);
    else if (act == TSAD_ACT_SIGMOID)
        TSAD_ON_EIGHT(tsad_sigmoid_eight, count, y);
    else
        tsad_activate(act, count, y);
}

void TSAD_K(linear_f32)(size_t n, size_t rows, size_t in, size_t out, const float *x, size_t x_pitch, const float *w,
                        const float *b, enum tsad_activation act, float *y, size_t y_pitch) {
    const int dense = n == 1 || y_pitch == rows * out;
    size_t window = 0, row = 0;
    for (size_t first = 0; first < n * rows; first += TOGETHER) {
        const size_t lines = n * rows - first < TOGETHER ? n * rows - first : (size_t)TOGETHER;
        const float *from[TOGETHER];
        float *to[TOGETHER];
        for (size_t l = 0; l < lines; l++) {
            from[l] = x + window * x_pitch + row * in;
            to[l] = y + window * y_pitch + row * out;
            for (size_t o = 0; b == NULL && o < out; o++)
                to[l][o] = 0.0f;
            row = row + 1 < rows ? row + 1 : 0;
            window += row == 0;
        }
        TSAD_K(add_lines_f32)(lines, in, out, from, 1, w, out, b, to);
        for (size_t l = 0; l < lines; l += dense ? lines : 1)
            activate(act, dense ? lines * out : out, to[l]);
    }
}
