/*
 * gru_s8.c - one layer of a GRU on s16 values with s8 weights, from a zero state, step by step.
 */
#include "integer.h"

/* r * x of a gate r in units of 2^-15, halves up */
static int32_t share_of(int16_t r, int32_t x) { return (int32_t)((r * (int64_t)x + (1 << 14)) >> 15); }

/* gates (3, hidden): sigmoid of r and z, then the tanh that the new state is made of; units of 2^-15 */
static void gates_of(size_t in, size_t hidden, const int16_t *x, const int16_t *h, const int8_t *w_ih,
                     const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh, const int32_t *m_ih,
                     const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction, int16_t *gates) {
    int32_t driven[TSAD_ROWS], fed[TSAD_ROWS];
    for (size_t o = 0, count; o < 3 * hidden; o += count) {
        count = TSAD_K(next_rows_s8)(3 * hidden - o, in, x, w_ih + o * in, b_ih + o, driven);
        TSAD_K(next_rows_s8)(3 * hidden - o, hidden, h, w_hh + o * hidden, b_hh + o, fed);
        for (size_t r = 0; r < count; r++) {
            const size_t at = o + r;
            const int32_t own = tsad_requantise(driven[r], m_ih[at], s_ih[at]);
            const int32_t past = tsad_requantise(fed[r], m_hh[at], s_hh[at]);
            if (at < 2 * hidden)
                gates[at] = (int16_t)tsad_sigmoid(own + past, fraction);
            else
                gates[at] = (int16_t)tsad_tanh(own + share_of(gates[at - 2 * hidden], past), fraction);
        }
    }
}

void TSAD_K(gru_s8)(size_t n, size_t steps, size_t in, size_t hidden, int last, const int16_t *x, size_t x_pitch,
                    const int8_t *w_ih, const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh,
                    const int32_t *m_ih, const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction,
                    int16_t *y, size_t y_pitch, int16_t *scratch) {
    int16_t *h = scratch, *gates = h + hidden;
    for (size_t window = 0; window < n; window++) {
        for (size_t j = 0; j < hidden; j++)
            h[j] = 0;
        for (size_t t = 0; t < steps; t++) {
            const int16_t *z = gates + hidden, *fresh = z + hidden;
            gates_of(in, hidden, x + window * x_pitch + t * in, h, w_ih, w_hh, b_ih, b_hh, m_ih, s_ih, m_hh, s_hh,
                     fraction, gates);
            for (size_t j = 0; j < hidden; j++) {
                h[j] = (int16_t)tsad_shifted(z[j] * h[j] + ((1 << 15) - z[j]) * fresh[j], 15);
                if (!last)
                    y[window * y_pitch + t * hidden + j] = h[j];
            }
        }
        for (size_t j = 0; last && j < hidden; j++)
            y[window * y_pitch + j] = h[j];
    }
}
