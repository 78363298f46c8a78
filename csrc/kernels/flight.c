/*
 * flight.c - one recurrent layer for all windows under way: each takes its next step, and grows one row older.
 *
 * Row r belongs to the window that began r samples ago. It goes on from row r-1, which was its own one sample ago; so
 * rows are taken from the oldest to the newest, a few at a time, that weights are brought near once for all of these.
 */
#include "cells.h"
#include "kernels.h"

enum { ROWS = 40 };

/* A few rows, from `low` on, as matrix products want them; what x adds to the gates and what h adds, may be one sum. */
typedef struct rows {
    size_t low, count;
    const float *x[ROWS], *h[ROWS]; /* a row's input, and the hidden state that it goes on from */
    float *from_x[ROWS], *from_h[ROWS];
} rows;

/* The rows before `end`; `width` is how far apart their sums are, of `gates` values each. */
static rows before(size_t end, size_t hidden, const float *start, const float *h, float *sum, size_t width,
                   size_t gates) {
    const size_t times = (end + ROWS - 1) / ROWS; /* about as many rows each time */
    rows k;
    k.count = (end + times - 1) / times;
    k.low = end - k.count;
    for (size_t r = 0; r < k.count; r++) {
        k.h[r] = k.low + r > 0 ? h + (k.low + r - 1) * hidden : start;
        k.from_x[r] = sum + r * width;
        k.from_h[r] = k.from_x[r] + (width - gates);
    }
    return k;
}

/* What x adds: where all rows have the same input, it was summed once, as `common`. */
static void add_inputs(rows *k, size_t in, size_t gates, const float *common, const float *x, const float *w,
                       const float *b) {
    for (size_t r = 0; r < k->count; r++)
        if (common != NULL)
            tsad_start_state(gates, common, k->from_x[r]);
        else
            k->x[r] = x + (k->low + r) * in;
    if (common == NULL)
        tsad_sums(k->count, in, gates, k->x, w, b, k->from_x);
}

void TSAD_K(lstm_flight_f32)(size_t n, size_t steps, int same, size_t in, size_t hidden, const float *x, size_t x_pitch,
                             const float *w_ih, const float *w_hh, const float *b, const float *h0, const float *c0,
                             float *h, size_t h_pitch, float *c, float *scratch) {
    const size_t gates = 4 * hidden;
    float *const start = scratch, *const common = start + 2 * hidden, *const sum = common + gates;
    (void)n, (void)x_pitch, (void)h_pitch;
    tsad_start_state(hidden, h0, start);
    tsad_start_state(hidden, c0, start + hidden);
    if (same)
        tsad_sums(1, in, gates, &x, w_ih, b, &(float *const){common});
    for (size_t end = steps; end > 0;) {
        rows k = before(end, hidden, start, h, sum, gates, gates);
        add_inputs(&k, in, gates, same ? common : NULL, x, w_ih, b);
        TSAD_K(add_lines_f32)(k.count, hidden, gates, k.h, 1, w_hh, gates, NULL, k.from_x);
        for (size_t r = k.count; r-- > 0;) {
            const size_t row = k.low + r;
            tsad_lstm_cell(hidden, k.from_x[r], row > 0 ? c + (row - 1) * hidden : start + hidden, c + row * hidden,
                           h + row * hidden);
        }
        end = k.low;
    }
}

void TSAD_K(gru_flight_f32)(size_t n, size_t steps, int same, size_t in, size_t hidden, const float *x, size_t x_pitch,
                            const float *w_ih, const float *w_hh, const float *b_ih, const float *b_hh, const float *h0,
                            float *h, size_t h_pitch, float *scratch) {
    const size_t gates = 3 * hidden;
    float *const start = scratch, *const common = start + hidden, *const sum = common + gates;
    (void)n, (void)x_pitch, (void)h_pitch;
    tsad_start_state(hidden, h0, start);
    if (same)
        tsad_sums(1, in, gates, &x, w_ih, b_ih, &(float *const){common});
    for (size_t end = steps; end > 0;) {
        rows k = before(end, hidden, start, h, sum, 2 * gates, gates);
        add_inputs(&k, in, gates, same ? common : NULL, x, w_ih, b_ih);
        tsad_sums(k.count, hidden, gates, k.h, w_hh, b_hh, k.from_h);
        for (size_t r = k.count; r-- > 0;)
            tsad_gru_cell(hidden, k.from_x[r], k.from_h[r], k.h[r], h + (k.low + r) * hidden);
        end = k.low;
    }
}
