/*
 * cells.c - how a step of a recurrent layer ends on x86 with AVX2: a few vectors of all gates at once, which need not
 * be written down. The bits are those of kernels/cells.c.
 */
#include "cells.h"
#include "eight.h"

TSAD_INLINE void lstm_part(int few, size_t left, size_t hidden, const float *gates, const float *c, float *c_next,
                           float *h) {
    __m256 i[TSAD_FEW], f[TSAD_FEW], g[TSAD_FEW], state[TSAD_FEW];
    tsad_load_few(few, left, gates, i);
    tsad_load_few(few, left, gates + hidden, f);
    tsad_load_few(few, left, gates + 2 * hidden, g);
    tsad_load_few(few, left, c, state);
    tsad_sigmoid_eight(few, i);
    tsad_sigmoid_eight(few, f);
    tsad_tanh_eight(few, g);
    for (int v = 0; v < few; v++)
        state[v] = _mm256_add_ps(_mm256_mul_ps(f[v], state[v]), _mm256_mul_ps(i[v], g[v]));
    tsad_store_few(few, left, c_next, state);
    tsad_load_few(few, left, gates + 3 * hidden, i);
    tsad_sigmoid_eight(few, i);
    tsad_tanh_eight(few, state);
    for (int v = 0; v < few; v++)
        state[v] = _mm256_mul_ps(i[v], state[v]);
    tsad_store_few(few, left, h, state);
}

void TSAD_K(lstm_cell_f32)(size_t hidden, float *gates, const float *c, float *c_next, float *h) {
    size_t k = 0;
    for (; k + TSAD_FEW * TSAD_EIGHT <= hidden; k += TSAD_FEW * TSAD_EIGHT)
        lstm_part(TSAD_FEW, 0, hidden, gates + k, c + k, c_next + k, h + k);
    for (; k < hidden; k += TSAD_EIGHT)
        lstm_part(1, hidden - k, hidden, gates + k, c + k, c_next + k, h + k);
}

TSAD_INLINE void gru_part(int few, size_t left, size_t hidden, const float *from_x, const float *from_h, const float *h,
                          float *h_next) {
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 r[TSAD_FEW], z[TSAD_FEW], n[TSAD_FEW], other[TSAD_FEW];
    tsad_load_few(few, left, from_x, r);
    tsad_load_few(few, left, from_h, other);
    for (int v = 0; v < few; v++)
        r[v] = _mm256_add_ps(r[v], other[v]);
    tsad_sigmoid_eight(few, r);
    tsad_load_few(few, left, from_x + 2 * hidden, n);
    tsad_load_few(few, left, from_h + 2 * hidden, other);
    for (int v = 0; v < few; v++)
        n[v] = _mm256_add_ps(n[v], _mm256_mul_ps(r[v], other[v]));
    tsad_tanh_eight(few, n);
    tsad_load_few(few, left, from_x + hidden, z);
    tsad_load_few(few, left, from_h + hidden, other);
    for (int v = 0; v < few; v++)
        z[v] = _mm256_add_ps(z[v], other[v]);
    tsad_sigmoid_eight(few, z);
    tsad_load_few(few, left, h, other);
    for (int v = 0; v < few; v++)
        n[v] = _mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(one, z[v]), n[v]), _mm256_mul_ps(z[v], other[v]));
    tsad_store_few(few, left, h_next, n);
}

void TSAD_K(gru_cell_f32)(size_t hidden, const float *from_x, float *from_h, const float *h, float *h_next) {
    size_t k = 0;
    for (; k + TSAD_FEW * TSAD_EIGHT <= hidden; k += TSAD_FEW * TSAD_EIGHT)
        gru_part(TSAD_FEW, 0, hidden, from_x + k, from_h + k, h + k, h_next + k);
    for (; k < hidden; k += TSAD_EIGHT)
        gru_part(1, hidden - k, hidden, from_x + k, from_h + k, h + k, h_next + k);
}
