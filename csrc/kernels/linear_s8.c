/*
 * linear_s8.c - dense layers of s16 values with s8 weights: y = act(x . w + b) on every row of every window.
 */
#include "kernels.h"

void TSAD_K(linear_s8_s16)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const int32_t *m, const int8_t *shift,
                           enum tsad_activation act, int fraction, int32_t limit, int16_t *y, size_t y_pitch) {
    int32_t acc[TSAD_ROWS];
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            const int16_t *from = x + window * x_pitch + row * in;
            int16_t *to = y + window * y_pitch + row * out;
            for (size_t o = 0, count; o < out; o += count) {
                count = TSAD_K(next_rows_s8)(out - o, in, from, w + o * in, b + o, acc);
                TSAD_K(settle_s16)(count, acc, m + o, shift + o, act, fraction, limit, to + o);
            }
        }
}

void TSAD_K(linear_s8_f32)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const float *scale, enum tsad_activation act, float *y,
                           size_t y_pitch) {
    int32_t acc[TSAD_ROWS];
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            const int16_t *from = x + window * x_pitch + row * in;
            float *to = y + window * y_pitch + row * out;
            for (size_t o = 0, count; o < out; o += count) {
                count = TSAD_K(next_rows_s8)(out - o, in, from, w + o * in, b + o, acc);
                TSAD_K(settle_f32)(count, acc, scale + o, act, to + o);
            }
        }
}
