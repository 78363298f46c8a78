/*
 * elementary.h - exp, tanh and sigmoid for the kernels, without libm: plain f32 arithmetic in a fixed order, so that
 * every target gives the same bits, and no branches, so that loops over them become vector code.
 *
 * Errors over the whole range, denormal results included: exp 1, tanh 2, sigmoid 3 units in the last place
 * (tests/csrc/test_elementary.c measures them). Infinities have their limits; NaN stays NaN.
 */
#ifndef TSAD_ELEMENTARY_H
#define TSAD_ELEMENTARY_H

#include "kernels.h"

typedef union tsad_bits {
    float value;
    uint32_t bits;
} tsad_bits;

static inline float tsad_from_bits(uint32_t bits) {
    tsad_bits u;
    u.bits = bits;
    return u.value;
}

static inline uint32_t tsad_to_bits(float value) {
    tsad_bits u;
    u.value = value;
    return u.bits;
}

static inline float tsad_abs(float x) { return tsad_from_bits(tsad_to_bits(x) & 0x7fffffffu); }

/* NaN is not below zero, so it stays. */
static inline float tsad_relu(float x) { return x < 0.0f ? 0.0f : x; }

/* NaN is larger and smaller than everything, so that it is not lost. */
static inline float tsad_larger(float a, float b) { return b > a || b != b ? b : a; }
static inline float tsad_smaller(float a, float b) { return b < a || b != b ? b : a; }

/*
 * e^x = 2^n e^r with n = round(x / ln 2). Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits, which
 * also holds for NaN without a cast that would be undefined. The polynomial of e^r was fitted to |r| <= ln 2 / 2.
 */
static inline float tsad_exp(float x) {
    const float shift = 12582912.0f;
    x = x > 89.0f ? 89.0f : x;     /* e^89 overflows, */
    x = x < -104.0f ? -104.0f : x; /* e^-104 is 0: nothing is lost */
    const float shifted = x * 1.44269504f + shift;
    const float n = shifted - shift;
    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f; /* ln 2 in two pieces: the first product is exact */
    float p = 1.9790341e-4f;
    p = p * r + 1.3944659e-3f;
    p = p * r + 8.3334967e-3f;
    p = p * r + 4.1666295e-2f;
    p = p * r + 1.6666666e-1f;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    /* 2^n in two factors, as n reaches from -150 to 128 and a float's exponent only from -126 to 127. */
    const uint32_t exponent = tsad_to_bits(shifted) - 0x4b400000u + 254u;
    const uint32_t half = exponent >> 1;
    return p * tsad_from_bits(half << 23) * tsad_from_bits((exponent - half) << 23);
}

/* From e^-|x|, which cannot overflow, so that small results keep all their digits. */
static inline float tsad_sigmoid(float x) {
    const float e = tsad_exp(-tsad_abs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/* A polynomial near zero, where 1 - 2 / (e^2x + 1) would lose digits. */
static inline float tsad_tanh(float x) {
    const float a = tsad_abs(x), z = x * x;
    float p = -5.7170447e-3f;
    p = p * z + 2.0650586e-2f;
    p = p * z + -5.3743497e-2f;
    p = p * z + 1.3331491e-1f;
    p = p * z + -3.3333284e-1f;
    const float near = a + a * (z * p);
    const float far = 1.0f - 2.0f / (tsad_exp(a + a) + 1.0f);
    return tsad_from_bits(tsad_to_bits(a < 0.625f ? near : far) | (tsad_to_bits(x) & 0x80000000u));
}

/* y = act(y) */
static inline void tsad_activate(enum tsad_activation act, size_t count, float *y) {
    switch (act) {
    case TSAD_ACT_NONE:
        break;
    case TSAD_ACT_RELU:
        for (size_t k = 0; k < count; k++)
            y[k] = tsad_relu(y[k]);
        break;
    case TSAD_ACT_TANH:
        for (size_t k = 0; k < count; k++)
            y[k] = tsad_tanh(y[k]);
        break;
    case TSAD_ACT_SIGMOID:
        for (size_t k = 0; k < count; k++)
            y[k] = tsad_sigmoid(y[k]);
        break;
    }
}

#endif
