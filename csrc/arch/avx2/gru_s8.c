/*
 * gru_s8.c - one layer of a GRU of integers on x86 with AVX2: eight units at a time, with the bits of
 * kernels/gru_s8.c.
 */
#include "recurrent_s8.h"

/* r * x of gates r in units of 2^-15, halves up */
static inline __m256i share_of(__m256i r, __m256i x) {
    const __m256i half = _mm256_set1_epi64x(1 << 14);
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(r, x), half);
    const __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(r, 32), _mm256_srli_epi64(x, 32)), half);
    return tsad8_joined(_mm256_srli_epi64(even, 15), _mm256_srli_epi64(odd, 15));
}

static inline __m256i gate(size_t which, int fraction, size_t count, __m256i own, __m256i past, const int16_t *gates) {
    if (which < 2)
        return tsad8_sigmoid(_mm256_add_epi32(own, past), fraction);
    return tsad8_tanh(_mm256_add_epi32(own, share_of(tsad8_some_s16(gates, count), past)), fraction);
}

static inline void step(const tsad_recurrent *r, const int16_t *gates, int16_t *c, const int16_t *before, int16_t *h) {
    const int16_t *z = gates + r->hidden, *fresh = z + r->hidden;
    (void)c;
    for (size_t j = 0; j < r->hidden; j += TSAD_LANES) {
        const size_t count = r->hidden - j;
        const __m256i keep = tsad8_some_s16(z + j, count), take = _mm256_sub_epi32(_mm256_set1_epi32(1 << 15), keep);
        const __m256i kept = _mm256_mullo_epi32(keep, tsad8_some_s16(before + j, count));
        const __m256i taken = _mm256_mullo_epi32(take, tsad8_some_s16(fresh + j, count));
        tsad8_store_some_s16(h + j, count, tsad8_shifted(_mm256_add_epi32(kept, taken), 15));
    }
}

void TSAD_K(gru_s8)(size_t n, size_t steps, size_t in, size_t hidden, int last, const int16_t *x, size_t x_pitch,
                    const int8_t *w_ih, const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh,
                    const int32_t *m_ih, const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction,
                    int16_t *y, size_t y_pitch, int16_t *scratch) {
    static const tsad_kind kind = {3, 0, gate, step};
    const tsad_recurrent r = {n,    steps, in,   hidden, last, x,        x_pitch, w_ih, w_hh,    b_ih,
                              b_hh, m_ih,  s_ih, m_hh,   s_hh, fraction, 0,       y,    y_pitch, scratch};
    tsad_take_steps(&r, &kind);
}
