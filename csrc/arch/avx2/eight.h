/*
 * eight.h - vectors of eight floats: the first few lanes at a row's end, and the functions of elementary.h, which have
 * the same operations in the same order here, and so the same bits.
 *
 * Functions take a few vectors at once and every step of all of them before the next step: one after the other they
 * would wait for themselves.
 */
#ifndef TSAD_EIGHT_H
#define TSAD_EIGHT_H

#include "kernels.h"

#include <immintrin.h>

#define TSAD_INLINE static inline __attribute__((always_inline))

enum { TSAD_EIGHT = 8, TSAD_FEW = 4 };

/* The first `count` lanes, at most all of them. */
TSAD_INLINE __m256i tsad_first_lanes(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < TSAD_EIGHT ? (int)count : TSAD_EIGHT), lane);
}

/* What a row has there, with `left` elements to go; zeros behind its end. */
TSAD_INLINE __m256 tsad_load_eight(size_t left, const float *from) {
    return left >= TSAD_EIGHT ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, tsad_first_lanes(left));
}

TSAD_INLINE void tsad_store_eight(size_t left, float *to, __m256 from) {
    if (left >= TSAD_EIGHT)
        _mm256_storeu_ps(to, from);
    else
        _mm256_maskstore_ps(to, tsad_first_lanes(left), from);
}

/* p = p * x + c, the product rounded. The empty statement keeps gcc from finishing one vector before the next. */
TSAD_INLINE void tsad_next_term(int few, __m256 *p, const __m256 *x, float c) {
    for (int v = 0; v < few; v++) {
        p[v] = _mm256_add_ps(_mm256_mul_ps(p[v], x[v]), _mm256_set1_ps(c));
        __asm__("" : "+x"(p[v]));
    }
}

/*
 * e^x of numbers that are all not above zero, or of such as are all not below it and then count as 80 at most. So one
 * end of the range needs no look, and 2^n takes one factor, or two of which one is always the same.
 */
TSAD_INLINE void tsad_exp_eight(int few, int falling, __m256 *x) {
    const __m256 shift = _mm256_set1_ps(12582912.0f);
    const __m256i bias = _mm256_set1_epi32(0x4b400000 - 127 - (falling ? 64 : 0));
    __m256 shifted[TSAD_FEW], r[TSAD_FEW], p[TSAD_FEW];
    for (int v = 0; v < few; v++) /* of NaN and a number both give what stands second */
        x[v] = falling ? _mm256_max_ps(_mm256_set1_ps(-104.0f), x[v]) : _mm256_min_ps(_mm256_set1_ps(80.0f), x[v]);
    for (int v = 0; v < few; v++)
        shifted[v] = _mm256_add_ps(_mm256_mul_ps(x[v], _mm256_set1_ps(1.44269504f)), shift);
    for (int v = 0; v < few; v++)
        r[v] = _mm256_sub_ps(shifted[v], shift);
    for (int v = 0; v < few; v++)
        r[v] = _mm256_sub_ps(_mm256_sub_ps(x[v], _mm256_mul_ps(r[v], _mm256_set1_ps(0.693359375f))),
                             _mm256_mul_ps(r[v], _mm256_set1_ps(-2.12194440e-4f)));
    for (int v = 0; v < few; v++)
        p[v] = _mm256_set1_ps(1.9790341e-4f);
    tsad_next_term(few, p, r, 1.3944659e-3f);
    tsad_next_term(few, p, r, 8.3334967e-3f);
    tsad_next_term(few, p, r, 4.1666295e-2f);
    tsad_next_term(few, p, r, 1.6666666e-1f);
    tsad_next_term(few, p, r, 0.5f);
    for (int v = 0; v < few; v++)
        p[v] = _mm256_add_ps(_mm256_mul_ps(p[v], _mm256_mul_ps(r[v], r[v])), r[v]);
    for (int v = 0; v < few; v++) {
        const __m256i power = _mm256_slli_epi32(_mm256_sub_epi32(_mm256_castps_si256(shifted[v]), bias), 23);
        x[v] = _mm256_mul_ps(_mm256_add_ps(p[v], _mm256_set1_ps(1.0f)), _mm256_castsi256_ps(power));
        x[v] = falling ? _mm256_mul_ps(x[v], _mm256_set1_ps(0x1p-64f)) : x[v];
    }
}

/* e^x of numbers that are all not above zero */
TSAD_INLINE void tsad_falling_exp_eight(int few, __m256 *x) { tsad_exp_eight(few, 1, x); }

TSAD_INLINE void tsad_sigmoid_eight(int few, __m256 *x) {
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 e[TSAD_FEW];
    for (int v = 0; v < few; v++)
        e[v] = _mm256_or_ps(x[v], _mm256_set1_ps(-0.0f));
    tsad_exp_eight(few, 1, e);
    for (int v = 0; v < few; v++) {
        const __m256 negative = _mm256_cmp_ps(x[v], _mm256_setzero_ps(), _CMP_LT_OQ);
        x[v] = _mm256_div_ps(_mm256_blendv_ps(one, e[v], negative), _mm256_add_ps(one, e[v]));
    }
}

TSAD_INLINE void tsad_tanh_eight(int few, __m256 *x) {
    const __m256 sign = _mm256_set1_ps(-0.0f), one = _mm256_set1_ps(1.0f);
    __m256 far[TSAD_FEW], z[TSAD_FEW], p[TSAD_FEW];
    for (int v = 0; v < few; v++) {
        far[v] = _mm256_andnot_ps(sign, x[v]);
        far[v] = _mm256_add_ps(far[v], far[v]);
    }
    tsad_exp_eight(few, 0, far); /* from 18 on tanh is 1 */
    for (int v = 0; v < few; v++)
        far[v] = _mm256_sub_ps(one, _mm256_div_ps(_mm256_set1_ps(2.0f), _mm256_add_ps(far[v], one)));
    for (int v = 0; v < few; v++) {
        z[v] = _mm256_mul_ps(x[v], x[v]);
        p[v] = _mm256_set1_ps(-5.7170447e-3f);
    }
    tsad_next_term(few, p, z, 2.0650586e-2f);
    tsad_next_term(few, p, z, -5.3743497e-2f);
    tsad_next_term(few, p, z, 1.3331491e-1f);
    tsad_next_term(few, p, z, -3.3333284e-1f);
    for (int v = 0; v < few; v++) {
        const __m256 a = _mm256_andnot_ps(sign, x[v]);
        const __m256 near = _mm256_add_ps(a, _mm256_mul_ps(a, _mm256_mul_ps(z[v], p[v])));
        const __m256 small = _mm256_cmp_ps(a, _mm256_set1_ps(0.625f), _CMP_LT_OQ);
        x[v] = _mm256_or_ps(_mm256_blendv_ps(far[v], near, small), _mm256_and_ps(sign, x[v]));
    }
}

/* Loads and stores of a few vectors, of which only a single one may reach beyond the row's end. */
TSAD_INLINE void tsad_load_few(int few, size_t left, const float *from, __m256 *to) {
    for (int v = 0; v < few; v++)
        to[v] = few > 1 ? _mm256_loadu_ps(from + TSAD_EIGHT * v) : tsad_load_eight(left, from);
}

TSAD_INLINE void tsad_store_few(int few, size_t left, float *to, const __m256 *from) {
    for (int v = 0; v < few; v++)
        if (few > 1)
            _mm256_storeu_ps(to + TSAD_EIGHT * v, from[v]);
        else
            tsad_store_eight(left, to, from[v]);
}

/* y = f(y), `count` elements */
#define TSAD_ON_EIGHT(f, count, y)                                                                                     \
    do {                                                                                                               \
        __m256 x_[TSAD_FEW];                                                                                           \
        size_t k_ = 0;                                                                                                 \
        for (; k_ + TSAD_FEW * TSAD_EIGHT <= (count); k_ += TSAD_FEW * TSAD_EIGHT) {                                   \
            tsad_load_few(TSAD_FEW, 0, (y) + k_, x_);                                                                  \
            f(TSAD_FEW, x_);                                                                                           \
            tsad_store_few(TSAD_FEW, 0, (y) + k_, x_);                                                                 \
        }                                                                                                              \
        for (; k_ < (count); k_ += TSAD_EIGHT) {                                                                       \
            tsad_load_few(1, (count)-k_, (y) + k_, x_);                                                                \
            f(1, x_);                                                                                                  \
            tsad_store_few(1, (count)-k_, (y) + k_, x_);                                                               \
        }                                                                                                              \
    } while (0)

#endif
