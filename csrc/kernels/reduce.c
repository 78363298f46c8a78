/*
 * reduce.c - sums, means and maxima over one axis.
 */
#include "kernels.h"

void TSAD_K(sum_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < outer; i++) {
            const float *from = x + window * x_pitch + i * reduced * inner;
            float *to = y + window * y_pitch + i * inner;
            if (inner == 1) { /* in a register: `to` could be anything as far as the compiler knows */
                float sum = 0.0f;
                for (size_t j = 0; j < reduced; j++)
                    sum += from[j];
                *to = sum * scale;
                continue;
            }
            for (size_t k = 0; k < inner; k++)
                to[k] = 0.0f;
            for (size_t j = 0; j < reduced; j++, from += inner)
                for (size_t k = 0; k < inner; k++)
                    to[k] += from[k];
            for (size_t k = 0; k < inner; k++)
                to[k] *= scale;
        }
}

/* NaN is larger than everything, so that it is not lost. */
static float larger(float a, float b) { return b > a || b != b ? b : a; }

void TSAD_K(max_f32)(size_t n, size_t outer, size_t reduced, size_t inner, const float *x, size_t x_pitch, float *y,
                     size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < outer; i++) {
            const float *from = x + window * x_pitch + i * reduced * inner;
            float *to = y + window * y_pitch + i * inner;
            for (size_t k = 0; k < inner; k++)
                to[k] = from[k];
            for (size_t j = 1; j < reduced; j++)
                for (size_t k = 0; k < inner; k++)
                    to[k] = larger(to[k], from[j * inner + k]);
        }
}
