/*
 * gru.c - one GRU layer in one direction, over all steps of every window.
 *
 * As in PyTorch the hidden state's own sums, bias included, are apart from the input's: the reset gate weighs them.
 */
#include "elementary.h"
#include "kernels.h"

/* Ends a step: what x and h add to the gates (3, hidden), in the order r z n, moves h on. */
static void cell(size_t hidden, float *from_x, const float *from_h, float *h) {
    const float *r = from_x, *z = from_x + hidden, *n_h = from_h + 2 * hidden;
    float *n = from_x + 2 * hidden;
    for (size_t k = 0; k < 2 * hidden; k++)
        from_x[k] += from_h[k];
    tsad_activate(TSAD_ACT_SIGMOID, 2 * hidden, from_x);
    for (size_t k = 0; k < hidden; k++)
        n[k] += r[k] * n_h[k];
    tsad_activate(TSAD_ACT_TANH, hidden, n);
    for (size_t k = 0; k < hidden; k++)
        h[k] = (1.0f - z[k]) * n[k] + z[k] * h[k];
}

static void start(size_t hidden, const float *from, float *to) {
    for (size_t k = 0; k < hidden; k++)
        to[k] = from != NULL ? from[k] : 0.0f;
}

void TSAD_K(gru_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                     const float *w_ih, const float *w_hh, const float *b_ih, const float *b_hh, const float *h0,
                     float *y, size_t y_pitch, float *scratch) {
    float *from_x = scratch, *from_h = scratch + 3 * hidden, *h = scratch + 6 * hidden;
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        start(hidden, h0, h);
        for (size_t step = 0; step < steps; step++) {
            TSAD_K(linear_f32)(1, 1, in, 3 * hidden, x + step * in, 0, w_ih, b_ih, TSAD_ACT_NONE, from_x, 0);
            TSAD_K(linear_f32)(1, 1, hidden, 3 * hidden, h, 0, w_hh, b_hh, TSAD_ACT_NONE, from_h, 0);
            cell(hidden, from_x, from_h, h);
            if (!last)
                start(hidden, h, y + step * hidden);
        }
        if (last)
            start(hidden, h, y);
    }
}
