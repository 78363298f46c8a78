/*
 * conv1d.c - convolution along time: y = act(x * w + b), time-major, with stride, dilation, padding and groups.
 *
 * Each output step is a line of a matrix product, tap by tap. Taps that fall into the padding are left out.
 */
#include "elementary.h"
#include "kernels.h"
#include "lines.h"
#include "taps.h"

/* What stays the same throughout a call. */
typedef struct layer {
    size_t in, out, groups; /* channels, and how many groups they fall into */
    size_t tap, channel;    /* elements of x from a tap to the next one, from a channel to the next one */
    const float *w, *b;
    enum tsad_activation act;
} layer;

/*
 * y[l] (out) = b plus the terms of one tap, or of many that are one run of memory: `in` elements of x per group, `step`
 * apart; b is NULL where y has it already
 */
static void add_taps(const layer *c, size_t lines, size_t in, size_t step, const float *const *x, const float *w,
                     const float *b, float *const *y) {
    const size_t channels = c->in / c->groups, out = c->out / c->groups;
    const float *from[TSAD_LINES];
    float *to[TSAD_LINES];
    for (size_t g = 0; g < c->groups; g++) {
        for (size_t l = 0; l < lines; l++) {
            from[l] = x[l] + g * channels * c->channel;
            to[l] = y[l] + g * out;
        }
        TSAD_K(add_lines_f32)(lines, in, out, from, step, w + g * out, c->out, b != NULL ? b + g * out : NULL, to);
    }
}

/* Each channel by itself: the loop along channels is the long one. */
static void add_tap_of_each(const layer *c, size_t lines, const float *const *x, const float *w, float *const *y) {
    for (size_t l = 0; l < lines; l++)
        for (size_t o = 0; o < c->out; o++)
            y[l][o] += x[l][o * c->channel] * w[o];
}

/* Output steps: y[l] (out) from the taps first to last, of which the first one is at x[l]. */
static void steps_of(const layer *c, size_t lines, size_t first, size_t last, const float **x, float *const *y) {
    const size_t in = c->in / c->groups;
    const int each = in == 1 && c->out == c->groups, started = each || c->b == NULL || first == last;
    const int one_run = in == 1 ? !each : c->groups == 1 && c->tap == in * c->channel;
    const size_t together = one_run ? last - first : 1;
    const size_t step = one_run && in == 1 ? c->tap : c->channel;
    if (started)
        tsad_start_lines(lines, c->out, c->b, y);
    for (size_t tap = first; tap < last; tap += together) {
        const float *const w = c->w + tap * in * c->out;
        if (each)
            add_tap_of_each(c, lines, x, w, y);
        else
            add_taps(c, lines, together * in, step, x, w, started || tap > first ? NULL : c->b, y);
        for (size_t l = 0; tap + together < last && l < lines; l++)
            x[l] += c->tap;
    }
    const int dense = y[lines - 1] == y[0] + (lines - 1) * c->out;
    for (size_t l = 0; l < lines; l += dense ? lines : 1)
        tsad_activate(c->act, dense ? lines * c->out : c->out, y[l]);
}

void TSAD_K(conv1d_f32)(size_t n, size_t rows, size_t steps, size_t in, size_t out_steps, size_t out, size_t taps,
                        size_t stride, size_t dilation, size_t before, size_t groups, const float *x, size_t x_pitch,
                        const size_t xs[3], const float *w, const float *b, enum tsad_activation act, float *y,
                        size_t y_pitch) {
    const layer c = {in, out, groups, dilation * xs[1], xs[2], w, b, act};
    const float *from[TSAD_LINES];
    float *to[TSAD_LINES];
    size_t lines = 0;
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            for (size_t t = 0; t < out_steps; t++) {
                const size_t at = t * stride, next = t + 1 < out_steps ? at + stride : 0;
                const size_t first = tsad_first_tap(at, dilation, before);
                const size_t end = tsad_last_tap(at, steps, taps, dilation, before), last = end < first ? first : end;
                const int more = t + 1 < out_steps || row + 1 < rows || window + 1 < n;
                from[lines] = x + window * x_pitch + row * xs[0];
                if (first < last)
                    from[lines] += (at + first * dilation - before) * xs[1];
                to[lines++] = y + window * y_pitch + (row * out_steps + t) * out;
                /* Steps with all their taps wait for each other; called from one place, the loops are there once. */
                if (lines < TSAD_LINES && more && first == 0 && last == taps &&
                    tsad_first_tap(next, dilation, before) == 0 &&
                    tsad_last_tap(next, steps, taps, dilation, before) == taps)
                    continue;
                steps_of(&c, lines, first, last, from, to);
                lines = 0;
            }
}
