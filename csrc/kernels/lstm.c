/*
 * lstm.c - one LSTM layer in one direction, over all steps of every window.
 *
 * The gates' sums are dense layers: bias, then the input's terms, then the hidden state's.
 */
#include "elementary.h"
#include "kernels.h"

/* Ends a step: gates (4, hidden) in the order i f g o; c and h move on. */
static void cell(size_t hidden, float *gates, float *c, float *h) {
    const float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
    tsad_activate(TSAD_ACT_SIGMOID, 2 * hidden, gates);
    tsad_activate(TSAD_ACT_TANH, hidden, gates + 2 * hidden);
    tsad_activate(TSAD_ACT_SIGMOID, hidden, gates + 3 * hidden);
    for (size_t k = 0; k < hidden; k++)
        c[k] = f[k] * c[k] + i[k] * g[k];
    for (size_t k = 0; k < hidden; k++)
        h[k] = o[k] * tsad_tanh(c[k]);
}

static void start(size_t hidden, const float *from, float *to) {
    for (size_t k = 0; k < hidden; k++)
        to[k] = from != NULL ? from[k] : 0.0f;
}

void TSAD_K(lstm_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                      const float *w_ih, const float *w_hh, const float *b, const float *h0, const float *c0, float *y,
                      size_t y_pitch, float *scratch) {
    float *gates = scratch, *c = scratch + 4 * hidden, *h = scratch + 5 * hidden;
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        start(hidden, h0, h);
        start(hidden, c0, c);
        for (size_t step = 0; step < steps; step++) {
            TSAD_K(linear_f32)(1, 1, in, 4 * hidden, x + step * in, 0, w_ih, b, TSAD_ACT_NONE, gates, 0);
            TSAD_K(linear_f32)(1, 1, hidden, 4 * hidden, h, 0, w_hh, gates, TSAD_ACT_NONE, gates, 0);
            cell(hidden, gates, c, h);
            if (!last)
                start(hidden, h, y + step * hidden);
        }
        if (last)
            start(hidden, h, y);
    }
}
