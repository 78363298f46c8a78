/*
 * moves_s16.c - copies s16 values, and takes the largest of a few steps.
 */
#include "kernels.h"
#include "taps.h"

void TSAD_K(copy_s16)(size_t n, const size_t d[3], const int16_t *x, size_t x_pitch, const size_t xs[3], int16_t *y,
                      size_t y_pitch, const size_t ys[3]) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++)
                for (size_t k = 0; k < d[2]; k++)
                    y[i * ys[0] + j * ys[1] + k * ys[2]] = x[i * xs[0] + j * xs[1] + k * xs[2]];
}

void TSAD_K(max_pool_s16)(size_t n, size_t rows, size_t steps, size_t channels, size_t out_steps, size_t taps,
                          size_t stride, size_t dilation, size_t before, const int16_t *x, size_t x_pitch,
                          const size_t xs[3], int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            for (size_t t = 0; t < out_steps; t++) {
                const size_t first = tsad_first_tap(t * stride, dilation, before);
                const size_t last = tsad_last_tap(t * stride, steps, taps, dilation, before);
                const int16_t *from =
                    x + window * x_pitch + row * xs[0] + (t * stride + first * dilation - before) * xs[1];
                int16_t *to = y + window * y_pitch + (row * out_steps + t) * channels;
                for (size_t c = 0; c < channels; c++) {
                    int16_t most = from[c * xs[2]];
                    for (size_t tap = first + 1; tap < last; tap++) {
                        const int16_t seen = from[(tap - first) * dilation * xs[1] + c * xs[2]];
                        most = seen > most ? seen : most;
                    }
                    to[c] = most;
                }
            }
}
