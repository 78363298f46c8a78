/*
 * cells.h - sums of a recurrent layer's gates; and how a step ends once the gates have them, which cells.c does.
 *
 * What goes on may be where it came from.
 */
#ifndef TSAD_CELLS_H
#define TSAD_CELLS_H

#include "kernels.h"

/*
 * cells.c, gates (4, hidden) in the order i f g o, which are lost: the cell's state goes on from c to c_next, and the
 * hidden state becomes h
 */
void TSAD_K(lstm_cell_f32)(size_t hidden, float *gates, const float *c, float *c_next, float *h);

/*
 * cells.c, what x and the hidden state add to the gates (3, hidden), in the order r z n, the latter of which is lost:
 * it goes on from h to h_next
 */
void TSAD_K(gru_cell_f32)(size_t hidden, const float *from_x, float *from_h, const float *h, float *h_next);

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
