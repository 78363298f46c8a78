/*
 * lstm_s8.c - one layer of an LSTM on s16 values with s8 weights, from zero states, step by step.
 */
#include "integer.h"

/* The gates (4, hidden): sigmoid of i, f and o, tanh of g, in units of 2^-15. */
static void gates_of(size_t in, size_t hidden, const int16_t *x, const int16_t *h, const int8_t *w_ih,
                     const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh, const int32_t *m_ih,
                     const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction, int16_t *gates) {
    int32_t driven[TSAD_ROWS], fed[TSAD_ROWS];
    for (size_t o = 0, count; o < 4 * hidden; o += count) {
        count = TSAD_K(next_rows_s8)(4 * hidden - o, in, x, w_ih + o * in, b_ih + o, driven);
        TSAD_K(next_rows_s8)(4 * hidden - o, hidden, h, w_hh + o * hidden, b_hh + o, fed);
        for (size_t r = 0; r < count; r++) {
            const size_t at = o + r;
            const int32_t sum =
                tsad_requantise(driven[r], m_ih[at], s_ih[at]) + tsad_requantise(fed[r], m_hh[at], s_hh[at]);
            gates[at] =
                (int16_t)(at >= 2 * hidden && at < 3 * hidden ? tsad_tanh(sum, fraction) : tsad_sigmoid(sum, fraction));
        }
    }
}

void TSAD_K(lstm_s8)(size_t n, size_t steps, size_t in, size_t hidden, int last, const int16_t *x, size_t x_pitch,
                     const int8_t *w_ih, const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh,
                     const int32_t *m_ih, const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction,
                     int cell, int16_t *y, size_t y_pitch, int16_t *scratch) {
    int16_t *h = scratch, *c = h + hidden, *gates = c + hidden;
    for (size_t window = 0; window < n; window++) {
        for (size_t j = 0; j < 2 * hidden; j++)
            scratch[j] = 0;
        for (size_t t = 0; t < steps; t++) {
            const int16_t *i = gates, *f = gates + hidden, *g = f + hidden, *o = g + hidden;
            gates_of(in, hidden, x + window * x_pitch + t * in, h, w_ih, w_hh, b_ih, b_hh, m_ih, s_ih, m_hh, s_hh,
                     fraction, gates);
            for (size_t j = 0; j < hidden; j++) {
                const int32_t kept = f[j] * c[j] + tsad_shifted(i[j] * g[j], 15 - cell);
                c[j] = (int16_t)tsad_clamped(tsad_shifted(kept, 15), -TSAD_LIMIT, TSAD_LIMIT);
                h[j] = (int16_t)tsad_shifted(o[j] * tsad_tanh(c[j], cell), 15);
                if (!last)
                    y[window * y_pitch + t * hidden + j] = h[j];
            }
        }
        for (size_t j = 0; last && j < hidden; j++)
            y[window * y_pitch + j] = h[j];
    }
}
