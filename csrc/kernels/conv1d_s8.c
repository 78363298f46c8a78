/*
 * conv1d_s8.c - convolution along time of s16 values with s8 weights: time-major, with stride, dilation, padding,
 * groups.
 *
 * What an output step sees, tap by tap, is gathered into scratch, zeros for the padding; the rest is a dense layer.
 */
#include "kernels.h"
#include "taps.h"

/* What stays the same throughout a call. */
typedef struct walk {
    size_t steps, in, taps, dilation, before; /* in: channels of a group */
    const size_t *xs;
} walk;

/* patch (taps, in) = what the output at `at` sees of a group's channels, which begin at x */
static void gather(const walk *c, size_t at, const int16_t *x, int16_t *patch) {
    const size_t first = tsad_first_tap(at, c->dilation, c->before);
    const size_t last = tsad_last_tap(at, c->steps, c->taps, c->dilation, c->before);
    for (size_t tap = 0; tap < c->taps; tap++, patch += c->in) {
        if (tap < first || tap >= last) {
            for (size_t i = 0; i < c->in; i++)
                patch[i] = 0;
        } else {
            const int16_t *from = x + (at + tap * c->dilation - c->before) * c->xs[1];
            for (size_t i = 0; i < c->in; i++)
                patch[i] = from[i * c->xs[2]];
        }
    }
}

void TSAD_K(conv1d_s8_s16)(size_t n, size_t rows, size_t steps, size_t in, size_t out_steps, size_t out, size_t taps,
                           size_t stride, size_t dilation, size_t before, size_t groups, const int16_t *x,
                           size_t x_pitch, const size_t xs[3], const int8_t *w, const int32_t *b, const int32_t *m,
                           const int8_t *shift, enum tsad_activation act, int fraction, int32_t limit, int16_t *y,
                           size_t y_pitch, int16_t *scratch) {
    const walk c = {steps, in / groups, taps, dilation, before, xs};
    const size_t seen = taps * c.in, part = out / groups;
    int32_t acc[TSAD_ROWS];
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            for (size_t t = 0; t < out_steps; t++)
                for (size_t g = 0; g < groups; g++) {
                    int16_t *to = y + window * y_pitch + (row * out_steps + t) * out + g * part;
                    const size_t base = g * part;
                    gather(&c, t * stride, x + window * x_pitch + row * xs[0] + g * c.in * xs[2], scratch);
                    for (size_t o = 0, count; o < part; o += count) {
                        count = TSAD_K(next_rows_s8)(part - o, seen, scratch, w + (base + o) * seen, b + base + o, acc);
                        TSAD_K(settle_s16)(count, acc, m + base + o, shift + base + o, act, fraction, limit, to + o);
                    }
                }
}

void TSAD_K(conv1d_s8_f32)(size_t n, size_t rows, size_t steps, size_t in, size_t out_steps, size_t out, size_t taps,
                           size_t stride, size_t dilation, size_t before, size_t groups, const int16_t *x,
                           size_t x_pitch, const size_t xs[3], const int8_t *w, const int32_t *b, const float *scale,
                           enum tsad_activation act, float *y, size_t y_pitch, int16_t *scratch) {
    const walk c = {steps, in / groups, taps, dilation, before, xs};
    const size_t seen = taps * c.in, part = out / groups;
    int32_t acc[TSAD_ROWS];
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            for (size_t t = 0; t < out_steps; t++)
                for (size_t g = 0; g < groups; g++) {
                    float *to = y + window * y_pitch + (row * out_steps + t) * out + g * part;
                    const size_t base = g * part;
                    gather(&c, t * stride, x + window * x_pitch + row * xs[0] + g * c.in * xs[2], scratch);
                    for (size_t o = 0, count; o < part; o += count) {
                        count = TSAD_K(next_rows_s8)(part - o, seen, scratch, w + (base + o) * seen, b + base + o, acc);
                        TSAD_K(settle_f32)(count, acc, scale + base + o, act, to + o);
                    }
                }
}
