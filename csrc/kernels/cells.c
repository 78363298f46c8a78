/*
 * cells.c - how a step of a recurrent layer ends: activations of its gates, and its new state.
 */
#include "cells.h"
#include "elementary.h"

void TSAD_K(lstm_cell_f32)(size_t hidden, float *gates, const float *c, float *c_next, float *h) {
    const float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
    tsad_activate(TSAD_ACT_SIGMOID, 2 * hidden, gates);
    tsad_activate(TSAD_ACT_TANH, hidden, gates + 2 * hidden);
    tsad_activate(TSAD_ACT_SIGMOID, hidden, gates + 3 * hidden);
    for (size_t k = 0; k < hidden; k++)
        c_next[k] = f[k] * c[k] + i[k] * g[k];
    for (size_t k = 0; k < hidden; k++)
        h[k] = o[k] * tsad_tanh(c_next[k]);
}

void TSAD_K(gru_cell_f32)(size_t hidden, const float *from_x, float *from_h, const float *h, float *h_next) {
    const float *r = from_h, *z = from_h + hidden, *n_x = from_x + 2 * hidden;
    float *n = from_h + 2 * hidden;
    for (size_t k = 0; k < 2 * hidden; k++)
        from_h[k] += from_x[k];
    tsad_activate(TSAD_ACT_SIGMOID, 2 * hidden, from_h);
    for (size_t k = 0; k < hidden; k++)
        n[k] = n_x[k] + r[k] * n[k];
    tsad_activate(TSAD_ACT_TANH, hidden, n);
    for (size_t k = 0; k < hidden; k++)
        h_next[k] = (1.0f - z[k]) * n[k] + z[k] * h[k];
}
