/*
 * lstm_s8.c - one layer of an LSTM of integers on x86 with AVX2: eight units at a time, with the bits of
 * kernels/lstm_s8.c.
 */
#include "recurrent_s8.h"

static inline __m256i gate(size_t which, int fraction, size_t count, __m256i own, __m256i past, const int16_t *gates) {
    const __m256i sum = _mm256_add_epi32(own, past);
    (void)count;
    (void)gates;
    return which == 2 ? tsad8_tanh(sum, fraction) : tsad8_sigmoid(sum, fraction);
}

/* Of `count` units, eight at most; gates are `hidden` apart. */
static inline void step_some(size_t count, size_t hidden, int by, const int16_t *gates, int16_t *c, int16_t *h) {
    const __m256i i = tsad8_some_s16(gates, count), f = tsad8_some_s16(gates + hidden, count);
    const __m256i g = tsad8_some_s16(gates + 2 * hidden, count), o = tsad8_some_s16(gates + 3 * hidden, count);
    const __m256i kept = _mm256_mullo_epi32(f, tsad8_some_s16(c, count));
    const __m256i sum = _mm256_add_epi32(kept, tsad8_shifted(_mm256_mullo_epi32(i, g), 15 - by));
    const __m256i cell = tsad8_clamped(tsad8_shifted(sum, 15), -TSAD_LIMIT, TSAD_LIMIT);
    tsad8_store_some_s16(c, count, cell);
    tsad8_store_some_s16(h, count, tsad8_shifted(_mm256_mullo_epi32(o, tsad8_tanh(cell, by)), 15));
}

static inline void step(const tsad_recurrent *r, const int16_t *gates, int16_t *c, const int16_t *before, int16_t *h) {
    size_t j = 0;
    (void)before;
    for (; j + TSAD_LANES <= r->hidden; j += TSAD_LANES)
        step_some(TSAD_LANES, r->hidden, r->cell, gates + j, c + j, h + j);
    if (j < r->hidden)
        step_some(r->hidden - j, r->hidden, r->cell, gates + j, c + j, h + j);
}

void TSAD_K(lstm_s8)(size_t n, size_t steps, size_t in, size_t hidden, int last, const int16_t *x, size_t x_pitch,
                     const int8_t *w_ih, const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh,
                     const int32_t *m_ih, const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction,
                     int cell, int16_t *y, size_t y_pitch, int16_t *scratch) {
    static const tsad_kind kind = {4, 1, gate, step};
    const tsad_recurrent r = {n,    steps, in,   hidden, last, x,        x_pitch, w_ih, w_hh,    b_ih,
                              b_hh, m_ih,  s_ih, m_hh,   s_hh, fraction, cell,    y,    y_pitch, scratch};
    tsad_take_steps(&r, &kind);
}
