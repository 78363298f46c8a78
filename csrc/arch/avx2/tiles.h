/*
 * tiles.h - add_many_f32 for vectors of any width: many.c says what a vector is, and how it is loaded, stored and
 * multiplied.
 *
 * A tile of sums stays in registers while the inputs pass: of some lines, some vectors of outputs each. The first lines
 * write down the weights that they need one after the other, for the tiles of the others.
 */
#ifndef TSAD_TILES_H
#define TSAD_TILES_H

#include "many.h"

enum {
    LINES = 4,           /* in a tile, */
    VECTORS = 3,         /* which has at most so many vectors a line; */
    DEPTH = 2048 / LANES /* inputs that pass before the next tile: their weights stay near */
};

/* Some vectors of outputs, from output `at` on, of which the last one holds `rest`; and what is added to them. */
typedef struct panel {
    size_t at, rest, in, step;
    const float *w;
    size_t row;
} panel;

/* The tile's outputs of some lines: y[l] = from[l] + x[l] . w. `half` is 1 where half of the last vector holds them.
 * The first lines take the weights from where they are, the others find them near. */
INLINE void add_tile(int lines, int vectors, int half, int first, const panel *k, vector *near, const float *const *x,
                     const float *const *from, float *const *y) {
    const lanes rest = first_lanes(k->rest);
    const float *w = k->w, *inputs[LINES];
    vector sum[LINES][VECTORS], weights[VECTORS];
    for (int l = 0; l < lines; l++) {
        inputs[l] = x[l];
        for (int v = 0; v < vectors; v++)
            sum[l][v] = load(from[l] + k->at + LANES * v, v == vectors - 1, rest);
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < k->in; i++, near += vectors) {
        for (int v = 0; v < vectors; v++)
            if (first) {
                near[v] = weights[v] = load(w + LANES * v, v == vectors - 1, rest);
                _mm_prefetch((const char *)(w + LANES * (vectors + v)), _MM_HINT_T1); /* of the next panel */
            } else
                weights[v] = near[v];
        for (int l = 0; l < lines; l++) {
            const vector value = spread(*inputs[l]);
            for (int v = 0; v < vectors; v++)
                sum[l][v] = add_product(half && v == vectors - 1, value, weights[v], sum[l][v]);
            inputs[l] += k->step;
        }
        w += k->row;
    }
    for (int l = 0; l < lines; l++)
        for (int v = 0; v < vectors; v++)
            store(y[l] + k->at + LANES * v, v == vectors - 1, k->rest, sum[l][v]);
}

/* All lines of a panel, from input `i` on. What fills the last tile is its last line: it gets the same sums again. */
INLINE void add_panel(int vectors, int half, const panel *k, size_t lines, size_t i, const float *const *x,
                      const float *b, float *const *y) {
    vector near[DEPTH * VECTORS];
    for (size_t l = 0; l < lines; l += LINES) {
        const float *inputs[LINES], *from[LINES];
        float *to[LINES];
        for (size_t t = 0; t < LINES; t++) {
            const size_t line = l + t < lines ? l + t : lines - 1;
            inputs[t] = x[line] + i * k->step;
            to[t] = y[line];
            from[t] = b != NULL ? b : y[line];
        }
        if (l == 0)
            add_tile(LINES, vectors, half, 1, k, near, inputs, from, to);
        else if (lines - l <= LINES / 2)
            add_tile(LINES / 2, vectors, half, 0, k, near, inputs, from, to);
        else
            add_tile(LINES, vectors, half, 0, k, near, inputs, from, to);
    }
}

/* Panels of all outputs, as even as can be: of two or three vectors, as there are two at least. */
void TSAD_K(add_many_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                          size_t row, const float *b, float *const *y) {
    for (size_t i = 0; i < in; i += DEPTH, b = NULL) {
        size_t at = 0, left = (out + LANES - 1) / LANES;
        for (size_t panels = (left + VECTORS - 1) / VECTORS; panels > 0; panels--) {
            const size_t vectors = (left + panels - 1) / panels;
            const panel k = {
                at, out - at - LANES * (vectors - 1), in - i < DEPTH ? in - i : (size_t)DEPTH, step, w + i * row + at,
                row};
            const int half = HALF > 0 && k.rest <= HALF;
            if (vectors == 3 && half)
                add_panel(3, 1, &k, lines, i, x, b, y);
            else if (vectors == 3)
                add_panel(3, 0, &k, lines, i, x, b, y);
            else if (half)
                add_panel(2, 1, &k, lines, i, x, b, y);
            else
                add_panel(2, 0, &k, lines, i, x, b, y);
            at += LANES * vectors;
            left -= vectors;
        }
    }
}

#endif
