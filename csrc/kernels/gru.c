/*
 * gru.c - one GRU layer in one direction, over all steps of every window.
 *
 * As in PyTorch the hidden state's own sums, bias included, are apart from the input's: the reset gate weighs them.
 */
#include "cells.h"
#include "kernels.h"

void TSAD_K(gru_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                     const float *w_ih, const float *w_hh, const float *b_ih, const float *b_hh, const float *h0,
                     float *y, size_t y_pitch, float *scratch) {
    float *from_x = scratch, *from_h = scratch + 3 * hidden, *h = scratch + 6 * hidden;
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        tsad_start_state(hidden, h0, h);
        for (size_t step = 0; step < steps; step++) {
            TSAD_K(linear_f32)(1, 1, in, 3 * hidden, x + step * in, 0, w_ih, b_ih, TSAD_ACT_NONE, from_x, 0);
            TSAD_K(linear_f32)(1, 1, hidden, 3 * hidden, h, 0, w_hh, b_hh, TSAD_ACT_NONE, from_h, 0);
            TSAD_K(gru_cell_f32)(hidden, from_x, from_h, h, h);
            if (!last)
                tsad_start_state(hidden, h, y + step * hidden);
        }
        if (last)
            tsad_start_state(hidden, h, y);
    }
}
