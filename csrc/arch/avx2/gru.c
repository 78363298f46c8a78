/*
 * gru.c - one GRU layer in one direction on x86 with AVX2: several windows take each step together, as in lstm.c.
 */
#include "cells.h"
#include "kernels.h"

enum { TOGETHER = 32, ROOM = 20480 };

void TSAD_K(gru_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                     const float *w_ih, const float *w_hh, const float *b_ih, const float *b_hh, const float *h0,
                     float *y, size_t y_pitch, float *scratch) {
    float near[ROOM];
    const size_t fit = ROOM / (6 * hidden), most = fit < TOGETHER ? fit : (size_t)TOGETHER;
    const size_t together = most > 1 ? most : 1, next = last ? 0 : hidden;
    float *const gates = fit > 0 ? near : scratch + hidden;
    tsad_start_state(hidden, h0, scratch);
    for (size_t window = 0; window < n; window += together) {
        const size_t lines = n - window < together ? n - window : together;
        const float *inputs[TOGETHER], *before[TOGETHER];
        float *from_x[TOGETHER], *from_h[TOGETHER], *h[TOGETHER];
        for (size_t l = 0; l < lines; l++) {
            inputs[l] = x + (window + l) * x_pitch;
            before[l] = scratch;
            from_x[l] = gates + l * 6 * hidden;
            from_h[l] = from_x[l] + 3 * hidden;
            h[l] = y + (window + l) * y_pitch;
        }
        for (size_t step = 0; step < steps; step++) {
            tsad_sums(lines, in, 3 * hidden, inputs, w_ih, b_ih, from_x);
            tsad_sums(lines, hidden, 3 * hidden, before, w_hh, b_hh, from_h);
            for (size_t l = 0; l < lines; l++) {
                TSAD_K(gru_cell_f32)(hidden, from_x[l], from_h[l], before[l], h[l]);
                inputs[l] += in;
                before[l] = h[l];
                h[l] += next;
            }
        }
    }
}
