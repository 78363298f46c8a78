/*
 * lstm.c - one LSTM layer in one direction on x86 with AVX2: several windows take each step together, so that weights
 * are brought near once for all of them. A window's sums are those it has alone.
 *
 * The hidden states stand in y from the first step on; gates and cells of all these windows on the stack.
 */
#include "cells.h"
#include "kernels.h"

enum { TOGETHER = 32, ROOM = 20480 };

void TSAD_K(lstm_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                      const float *w_ih, const float *w_hh, const float *b, const float *h0, const float *c0, float *y,
                      size_t y_pitch, float *scratch) {
    float near[ROOM];
    const size_t fit = ROOM / (5 * hidden), most = fit < TOGETHER ? fit : (size_t)TOGETHER;
    const size_t together = most > 1 ? most : 1, next = last ? 0 : hidden;
    float *const gates = fit > 0 ? near : scratch + hidden, *const c = gates + together * 4 * hidden;
    tsad_start_state(hidden, h0, scratch);
    for (size_t window = 0; window < n; window += together) {
        const size_t lines = n - window < together ? n - window : together;
        const float *inputs[TOGETHER], *before[TOGETHER];
        float *sums[TOGETHER], *h[TOGETHER];
        for (size_t l = 0; l < lines; l++) {
            inputs[l] = x + (window + l) * x_pitch;
            before[l] = scratch;
            sums[l] = gates + l * 4 * hidden;
            h[l] = y + (window + l) * y_pitch;
            tsad_start_state(hidden, c0, c + l * hidden);
        }
        for (size_t step = 0; step < steps; step++) {
            for (size_t l = 0; b == NULL && l < lines; l++)
                tsad_start_state(4 * hidden, NULL, sums[l]);
            TSAD_K(add_lines_f32)(lines, in, 4 * hidden, inputs, 1, w_ih, 4 * hidden, b, sums);
            TSAD_K(add_lines_f32)(lines, hidden, 4 * hidden, before, 1, w_hh, 4 * hidden, NULL, sums);
            for (size_t l = 0; l < lines; l++) {
                TSAD_K(lstm_cell_f32)(hidden, sums[l], c + l * hidden, c + l * hidden, h[l]);
                inputs[l] += in;
                before[l] = h[l];
                h[l] += next;
            }
        }
    }
}
