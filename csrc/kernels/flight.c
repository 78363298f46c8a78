/*
 * flight.c - one layer for all windows under way, that weights are brought near once for many of these.
 *
 * Of a recurrent layer each window takes its next step and grows one row older. Row r belongs to the window that began
 * r samples ago. It goes on from row r-1, which was its own one sample ago; so rows are taken from the oldest to the
 * newest, a few at a time.
 *
 * Of a dense layer that sees whole windows the sums are under way. What samples add to them waits until BLOCK of them
 * are there, and is added while the next block comes: with each sample to some windows, of which the oldest end first.
 * So no sample takes longer than others. What a window that ends misses, the samples of the block that comes, is added
 * to a copy.
 */
#include "cells.h"
#include "elementary.h"
#include "kernels.h"

#include <string.h>

enum { ROWS = 40, BLOCK = 16 };

/* A few rows, from `low` on, as matrix products want them; what x adds to the gates and what h adds, may be one sum. */
typedef struct rows {
    size_t low, count;
    const float *x[ROWS], *h[ROWS]; /* a row's input, and the hidden state that it goes on from */
    float *from_x[ROWS], *from_h[ROWS];
} rows;

/* The rows before `end`; `width` is how far apart their sums are, of `gates` values each. */
static rows before(size_t end, size_t hidden, const float *start, const float *h, float *sum, size_t width,
                   size_t gates) {
    /* About as many rows each time, and four by four, as matrix products take them. */
    const size_t times = (end + ROWS - 1) / ROWS, each = ((end + times - 1) / times + 3) / 4 * 4;
    rows k;
    k.count = each < end ? each : end;
    k.low = end - k.count;
    for (size_t r = 0; r < k.count; r++) {
        k.h[r] = k.low + r > 0 ? h + (k.low + r - 1) * hidden : start;
        k.from_x[r] = sum + r * width;
        k.from_h[r] = k.from_x[r] + (width - gates);
    }
    return k;
}

/* What x adds, where each row has an input of its own. */
static void add_inputs(rows *k, size_t in, size_t gates, const float *x, const float *w, const float *b) {
    for (size_t r = 0; r < k->count; r++)
        k->x[r] = x + (k->low + r) * in;
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
        if (!same)
            add_inputs(&k, in, gates, x, w_ih, b);
        TSAD_K(add_lines_f32)(k.count, hidden, gates, k.h, 1, w_hh, gates, same ? common : NULL, k.from_x);
        for (size_t r = k.count; r-- > 0;) {
            const size_t row = k.low + r;
            TSAD_K(lstm_cell_f32)
            (hidden, k.from_x[r], row > 0 ? c + (row - 1) * hidden : start + hidden, c + row * hidden,
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
        if (!same)
            add_inputs(&k, in, gates, x, w_ih, b_ih);
        tsad_sums(k.count, hidden, gates, k.h, w_hh, b_hh, k.from_h);
        for (size_t r = k.count; r-- > 0;)
            TSAD_K(gru_cell_f32)(hidden, same ? common : k.from_x[r], k.from_h[r], k.h[r], h + (k.low + r) * hidden);
        end = k.low;
    }
}

/* The sums under way of a dense layer that sees `steps` samples of `in` values: one less than steps, oldest first. */
typedef struct sums {
    size_t steps, in, out;
    const float *w, *b;
    float *of; /* (steps - 1, out), from `oldest` on, and round */
    size_t oldest;
} sums;

static float *sum_of(const sums *k, size_t age) { return k->of + (k->oldest + age) % (k->steps - 1) * k->out; }

/* A block x (BLOCK, in) is added to the sums of windows from `first` to before `end`; those that it begins are new. */
static void add_block(const sums *k, size_t first, size_t end, const float *x) {
    const size_t begun = k->steps - 1 - BLOCK; /* the youngest that it does not begin, and one more */
    for (size_t a = first > begun ? first : begun; a < end; a++)
        tsad_start_state(k->out, k->b, sum_of(k, a));
    /* Row by row of the weights: the sample j is row `row` of window begun + j - row. */
    for (size_t row = begun + 1 > end ? begun + 1 - end : 0; row + first < begun + BLOCK; row++) {
        const float *from[BLOCK];
        float *to[BLOCK];
        size_t lines = 0;
        for (size_t j = 0; j < BLOCK; j++)
            if (begun + j >= row + first && begun + j < row + end) {
                from[lines] = x + j * k->in;
                to[lines++] = sum_of(k, begun + j - row);
            }
        TSAD_K(add_lines_f32)(lines, k->in, k->out, from, 1, k->w + row * k->in * k->out, k->out, NULL, to);
    }
}

void TSAD_K(linear_flight_f32)(size_t n, size_t steps, size_t in, size_t out, const float *x, size_t x_pitch,
                               const float *w, const float *b, enum tsad_activation act, float *y, size_t y_pitch,
                               float *kept) {
    uint64_t count; /* of samples; all places follow from it, and lie within what they index whatever it is */
    memcpy(&count, kept, sizeof count);
    const size_t now = (size_t)(count % BLOCK), odd = (size_t)(count / BLOCK % 2);
    const size_t each = (steps - 1 + BLOCK - 1) / BLOCK, first = now * each;
    float *const blocks = kept + 2, *const block = blocks + odd * BLOCK * in;
    const float *const before = blocks + (1 - odd) * BLOCK * in;
    const sums k = {steps, in, out, w, b, blocks + 2 * BLOCK * in, (size_t)((count - now) % (steps - 1))};
    (void)n, (void)x_pitch, (void)y_pitch;
    tsad_start_state(in, x, block + now * in);
    add_block(&k, first, first + each < steps - 1 ? first + each : steps - 1, before);
    TSAD_K(add_lines_f32)
    (1, (now + 1) * in, out, &(const float *const){block}, 1, w + (steps - 1 - now) * in * out, out, sum_of(&k, now),
     &(float *const){y});
    tsad_activate(act, out, y);
    count++;
    memcpy(kept, &count, sizeof count);
}
