/*
 * lstm.c - one LSTM layer in one direction, over all steps of every window.
 *
 * The gates' sums are dense layers: bias, then the input's terms, then the hidden state's.
 */
#include "cells.h"
#include "kernels.h"

void TSAD_K(lstm_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                      const float *w_ih, const float *w_hh, const float *b, const float *h0, const float *c0, float *y,
                      size_t y_pitch, float *scratch) {
    float *gates = scratch, *c = scratch + 4 * hidden, *h = scratch + 5 * hidden;
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        tsad_start_state(hidden, h0, h);
        tsad_start_state(hidden, c0, c);
        for (size_t step = 0; step < steps; step++) {
            TSAD_K(linear_f32)(1, 1, in, 4 * hidden, x + step * in, 0, w_ih, b, TSAD_ACT_NONE, gates, 0);
            TSAD_K(linear_f32)(1, 1, hidden, 4 * hidden, h, 0, w_hh, gates, TSAD_ACT_NONE, gates, 0);
            TSAD_K(lstm_cell_f32)(hidden, gates, c, c, h);
            if (!last)
                tsad_start_state(hidden, h, y + step * hidden);
        }
        if (last)
            tsad_start_state(hidden, h, y);
    }
}
