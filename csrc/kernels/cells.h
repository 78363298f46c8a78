/*
 * cells.h - sums of a recurrent layer's gates, and how a step ends once the gates have them.
 *
 * What goes on may be where it came from.
 */
#ifndef TSAD_CELLS_H
#define TSAD_CELLS_H

#include "elementary.h"
#include "kernels.h"

/* gates (4, hidden) in the order i f g o; the cell's state goes on from c to c_next, and the hidden state becomes h */
static inline void tsad_lstm_cell(size_t hidden, float *gates, const float *c, float *c_next, float *h) {
    const float *i = gates, *f = gates + hidden, *g = gates + 2 * hidden, *o = gates + 3 * hidden;
    tsad_activate(TSAD_ACT_SIGMOID, 2 * hidden, gates);
    tsad_activate(TSAD_ACT_TANH, hidden, gates + 2 * hidden);
    tsad_activate(TSAD_ACT_SIGMOID, hidden, gates + 3 * hidden);
    for (size_t k = 0; k < hidden; k++)
        c_next[k] = f[k] * c[k] + i[k] * g[k];
    for (size_t k = 0; k < hidden; k++)
        h[k] = o[k] * tsad_tanh(c_next[k]);
}

/* What x and the hidden state add to the gates (3, hidden), in the order r z n; it goes on from h to h_next. */
static inline void tsad_gru_cell(size_t hidden, float *from_x, const float *from_h, const float *h, float *h_next) {
    const float *r = from_x, *z = from_x + hidden, *n_h = from_h + 2 * hidden;
    float *n = from_x + 2 * hidden;
    for (size_t k = 0; k < 2 * hidden; k++)
        from_x[k] += from_h[k];
    tsad_activate(TSAD_ACT_SIGMOID, 2 * hidden, from_x);
    for (size_t k = 0; k < hidden; k++)
        n[k] += r[k] * n_h[k];
    tsad_activate(TSAD_ACT_TANH, hidden, n);
    for (size_t k = 0; k < hidden; k++)
        h_next[k] = (1.0f - z[k]) * n[k] + z[k] * h[k];
}

/* A state to start from, zeros where none is given. */
static inline void tsad_start_state(size_t count, const float *from, float *to) {
    for (size_t k = 0; k < count; k++)
        to[k] = from != NULL ? from[k] : 0.0f;
}

/* y[l] (out) = b + x[l] (in) . w, or without b where it is NULL */
static inline void tsad_sums(size_t lines, size_t in, size_t out, const float *const *x, const float *w, const float *b,
                             float *const *y) {
    for (size_t l = 0; b == NULL && l < lines; l++)
        tsad_start_state(out, NULL, y[l]);
    TSAD_K(add_lines_f32)(lines, in, out, x, 1, w, out, b, y);
}

#endif
