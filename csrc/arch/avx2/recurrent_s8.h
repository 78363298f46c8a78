/*
 * recurrent_s8.h - what lstm_s8.c and gru_s8.c share on x86 with AVX2: several windows take each step together, so that
 * weights are brought near once for all of them. Sums are exact, so a window's bits are those it has alone.
 *
 * The states stand in y from the first step on; cells and gates of all these windows, in units of 2^-15, on the stack.
 */
#ifndef TSAD_RECURRENT_S8_H
#define TSAD_RECURRENT_S8_H

#include "lanes.h"
#include "panels.h"

enum {
    TSAD_TOGETHER = 32, /* windows at once, or windows times steps ahead; */
    TSAD_NEAR = 40960,  /* cells and gates of these, on the stack, */
    TSAD_AHEAD = 20480  /* and sums from x of steps ahead */
};

/* A layer and what it is given; the names are those of kernels_s16.h. */
typedef struct tsad_recurrent {
    size_t n, steps, in, hidden;
    int last;
    const int16_t *x;
    size_t x_pitch;
    const int8_t *w_ih, *w_hh;
    const int32_t *b_ih, *b_hh, *m_ih;
    const int8_t *s_ih;
    const int32_t *m_hh;
    const int8_t *s_hh;
    int fraction, cell;
    int16_t *y;
    size_t y_pitch;
    int16_t *scratch;
} tsad_recurrent;

/* What tells an LSTM from a GRU. */
typedef struct tsad_kind {
    size_t gates, cells; /* of a unit */
    /* Gate `which` of some units, eight at most, from its parts that x and the state drive, and from their gates 0. */
    __m256i (*gate)(size_t which, int fraction, size_t count, __m256i own, __m256i past, const int16_t *gates);
    /* The cells, and the state after `before`, which h may be. */
    void (*step)(const tsad_recurrent *r, const int16_t *gates, int16_t *c, const int16_t *before, int16_t *h);
} tsad_kind;

/* The windows that take a step together: what each sees, its states before and after, its gates, and some sums. */
typedef struct tsad_together {
    size_t lines;
    const int16_t *x[TSAD_TOGETHER], *before[TSAD_TOGETHER];
    int16_t *h[TSAD_TOGETHER], *gates[TSAD_TOGETHER];
    int32_t *driven[TSAD_TOGETHER], *fed[TSAD_TOGETHER];
} tsad_together;

/* Gate `which` of `count` units from `unit` on, eight at most, whose sums are there from `at` on. */
static inline void tsad_end_some(const tsad_recurrent *r, const tsad_kind *kind, size_t which, size_t unit,
                                 size_t count, size_t at, const tsad_together *t) {
    const size_t row = which * r->hidden + unit, lines = t->lines;
    const __m256i m_ih = tsad8_some_s32(r->m_ih + row, count), s_ih = tsad8_some_s8(r->s_ih + row, count);
    const __m256i m_hh = tsad8_some_s32(r->m_hh + row, count), s_hh = tsad8_some_s8(r->s_hh + row, count);
    const int fraction = r->fraction;
    for (size_t l = 0; l < lines; l++) {
        const __m256i own = tsad8_requantise(tsad8_some_s32(t->driven[l] + at, count), m_ih, s_ih);
        const __m256i past = tsad8_requantise(tsad8_some_s32(t->fed[l] + at, count), m_hh, s_hh);
        const __m256i gates = kind->gate(which, fraction, count, own, past, t->gates[l] + unit);
        tsad8_store_some_s16(t->gates[l] + row, count, gates);
    }
}

/* The gates of some rows, from `row` on; the sums are those of these alone. */
static inline void tsad_end_gates(const tsad_recurrent *r, const tsad_kind *kind, size_t row, size_t rows,
                                  const tsad_together *t) {
    for (size_t at = 0, which = row / r->hidden, unit = row % r->hidden, count; at < rows; at += count) {
        const size_t left = r->hidden - unit, most = rows - at < left ? rows - at : left;
        count = most < TSAD_LANES ? most : (size_t)TSAD_LANES;
        if (count == TSAD_LANES)
            tsad_end_some(r, kind, which, unit, TSAD_LANES, at, t);
        else
            tsad_end_some(r, kind, which, unit, count, at, t);
        which += count == left;
        unit = count == left ? 0 : unit + count;
    }
}

/* Sums from x of all rows, of this step and some of those ahead, which no state has a part in. */
static inline void tsad_drive_ahead(const tsad_recurrent *r, size_t rows, size_t steps, const tsad_together *t,
                                    int32_t *sums) {
    const int16_t *from[TSAD_TOGETHER];
    int32_t *to[TSAD_TOGETHER];
    for (size_t k = 0; k < steps * t->lines; k++) {
        from[k] = t->x[k % t->lines] + k / t->lines * r->in;
        to[k] = sums + k * rows;
    }
    TSAD_K(add_lines_s8)(steps * t->lines, r->in, rows, from, r->w_ih, r->b_ih, to);
}

/* All steps of some windows, which begin with states of zeros. */
static inline void tsad_fly(const tsad_recurrent *r, const tsad_kind *kind, tsad_together *t) {
    int32_t sums[TSAD_AHEAD], own[TSAD_TOGETHER][TSAD_ROWS], past[TSAD_TOGETHER][TSAD_ROWS];
    const size_t rows = kind->gates * r->hidden, fit = TSAD_AHEAD / rows,
                 all = fit < TSAD_TOGETHER ? fit : TSAD_TOGETHER;
    const size_t ahead = all / t->lines; /* steps; with one there would be nothing to gain, and there may be none */
    for (size_t l = 0; l < t->lines; l++)
        t->fed[l] = past[l];
    for (size_t step = 0; step < r->steps; step++) {
        if (ahead > 1 && step % ahead == 0)
            tsad_drive_ahead(r, rows, r->steps - step < ahead ? r->steps - step : ahead, t, sums);
        for (size_t o = 0; o < rows; o += TSAD_ROWS) {
            const size_t some = rows - o < TSAD_ROWS ? rows - o : (size_t)TSAD_ROWS;
            for (size_t l = 0; l < t->lines; l++)
                t->driven[l] = ahead > 1 ? sums + (step % ahead * t->lines + l) * rows + o : own[l];
            if (ahead <= 1)
                TSAD_K(add_lines_s8)(t->lines, r->in, some, t->x, r->w_ih + o * r->in, r->b_ih + o, t->driven);
            TSAD_K(add_lines_s8)(t->lines, r->hidden, some, t->before, r->w_hh + o * r->hidden, r->b_hh + o, t->fed);
            tsad_end_gates(r, kind, o, some, t);
        }
        for (size_t l = 0; l < t->lines; l++) {
            kind->step(r, t->gates[l], t->gates[l] + rows, t->before[l], t->h[l]);
            t->x[l] += r->in;
            t->before[l] = t->h[l];
            t->h[l] += r->last ? 0 : r->hidden;
        }
    }
}

static inline void tsad_take_steps(const tsad_recurrent *r, const tsad_kind *kind) {
    int16_t near[TSAD_NEAR];
    tsad_together t;
    const size_t rows = kind->gates * r->hidden, each = rows + kind->cells * r->hidden, fit = TSAD_NEAR / each;
    const size_t most = fit < TSAD_TOGETHER ? fit : (size_t)TSAD_TOGETHER, together = most > 1 ? most : 1;
    int16_t *const room = fit > 0 ? near : r->scratch + r->hidden;
    memset(r->scratch, 0, r->hidden * sizeof *r->scratch);
    for (size_t window = 0; window < r->n; window += together) {
        t.lines = r->n - window < together ? r->n - window : together;
        for (size_t l = 0; l < t.lines; l++) {
            t.x[l] = r->x + (window + l) * r->x_pitch;
            t.before[l] = r->scratch;
            t.h[l] = r->y + (window + l) * r->y_pitch;
            t.gates[l] = room + l * each;
            memset(t.gates[l] + rows, 0, (each - rows) * sizeof *room);
        }
        tsad_fly(r, kind, &t);
    }
}

#endif
