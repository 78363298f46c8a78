/*
 * pool.c - maxima and means of a few neighbouring steps, time-major. Taps that fall into the padding are left out.
 */
#include "elementary.h"
#include "kernels.h"
#include "taps.h"

void TSAD_K(max_pool_f32)(size_t n, size_t rows, size_t steps, size_t channels, size_t out_steps, size_t taps,
                          size_t stride, size_t dilation, size_t before, const float *x, size_t x_pitch,
                          const size_t xs[3], float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            for (size_t t = 0; t < out_steps; t++) {
                const size_t first = tsad_first_tap(t * stride, dilation, before);
                const size_t last = tsad_last_tap(t * stride, steps, taps, dilation, before);
                const float *from =
                    x + window * x_pitch + row * xs[0] + (t * stride + first * dilation - before) * xs[1];
                float *to = y + window * y_pitch + (row * out_steps + t) * channels;
                for (size_t c = 0; c < channels; c++)
                    to[c] = from[c * xs[2]];
                for (size_t tap = first + 1; tap < last; tap++) {
                    from += dilation * xs[1];
                    for (size_t c = 0; c < channels; c++)
                        to[c] = tsad_larger(to[c], from[c * xs[2]]);
                }
            }
}

void TSAD_K(mean_pool_f32)(size_t n, size_t rows, size_t steps, size_t channels, size_t out_steps, size_t taps,
                           size_t stride, size_t dilation, size_t before, int padded, const float *x, size_t x_pitch,
                           const size_t xs[3], float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            for (size_t t = 0; t < out_steps; t++) {
                const size_t first = tsad_first_tap(t * stride, dilation, before);
                const size_t last = tsad_last_tap(t * stride, steps, taps, dilation, before);
                const float *from =
                    x + window * x_pitch + row * xs[0] + (t * stride + first * dilation - before) * xs[1];
                const float count = (float)(padded ? taps : last - first);
                float *to = y + window * y_pitch + (row * out_steps + t) * channels;
                for (size_t c = 0; c < channels; c++)
                    to[c] = from[c * xs[2]];
                for (size_t tap = first + 1; tap < last; tap++) {
                    from += dilation * xs[1];
                    for (size_t c = 0; c < channels; c++)
                        to[c] += from[c * xs[2]];
                }
                for (size_t c = 0; c < channels; c++)
                    to[c] /= count;
            }
}
