/*
 * functions.h - what unary.c knows beyond elementary.h: roots, logarithms, erf, sine and cosine, rounding, and the
 * activations made of them. Same rules: f32 in a fixed order, no libm, and no branches but for a sine's large
 * arguments.
 *
 * Errors over the whole float range, denormal results included, in units in the last place (tests/csrc/
 * test_functions.c measures them): sqrt and log 1; rsqrt, log1p, expm1 and erf 2; softplus, sin and cos 3, however
 * large x is; silu 4 (beneath -87, where the sigmoid is denormal, it is off by less than 2e-43). gelu 2 units of x, not
 * of the result: it is x times a difference. sign, floor and round are exact. Outside of a function's domain it is NaN,
 * and NaN stays NaN.
 */
#ifndef TSAD_FUNCTIONS_H
#define TSAD_FUNCTIONS_H

#include "elementary.h"

static inline float tsad_nan(void) { return tsad_from_bits(0x7fc00000u); }

static inline float tsad_with_sign(float magnitude, float sign) {
    return tsad_from_bits((tsad_to_bits(magnitude) & 0x7fffffffu) | (tsad_to_bits(sign) & 0x80000000u));
}

/* -1, 0 or 1 */
static inline float tsad_sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }

/* To the nearest integer, halves to the even one: 2^23 has no room for a fraction. */
static inline float tsad_round(float x) {
    const float a = tsad_abs(x);
    return tsad_with_sign(a < 8388608.0f ? (a + 8388608.0f) - 8388608.0f : a, x);
}

static inline float tsad_floor(float x) {
    const float nearest = tsad_round(x);
    return nearest > x ? nearest - 1.0f : nearest;
}

/*
 * The exponent's half is a first guess of 1 / sqrt(x), which Newton's steps double the digits of; Heron's last one is
 * correct to the rounding of a quotient and a mean.
 */
static inline float tsad_sqrt(float x) {
    const int tiny = x < 1.17549435e-38f;
    const float v = tiny ? x * 16777216.0f : x;
    float y = tsad_from_bits(0x5f3759dfu - (tsad_to_bits(v) >> 1));
    y = y * (1.5f - 0.5f * v * y * y);
    y = y * (1.5f - 0.5f * v * y * y);
    y = y * (1.5f - 0.5f * v * y * y);
    float s = v * y;
    s = (s + v / s) * 0.5f;
    s = tiny ? s * 2.44140625e-4f : s;
    s = x > 3.40282347e+38f || x == 0.0f ? x : s;
    return x < 0.0f ? tsad_nan() : s;
}

static inline float tsad_rsqrt(float x) { return 1.0f / tsad_sqrt(x); }

/* x = 2^e m with m around 1; the polynomial of log(m) was fitted to 1 / sqrt(2) <= m <= sqrt(2). */
static inline float tsad_log(float x) {
    const int tiny = x < 1.17549435e-38f;
    const uint32_t bits = tsad_to_bits(tiny ? x * 8388608.0f : x);
    const uint32_t exponent = (bits - 0x3f3504f3u + 0x3f800000u) >> 23;
    const float e = (float)(int32_t)exponent - (tiny ? 150.0f : 127.0f);
    const float f = tsad_from_bits(bits - (exponent << 23) + 0x3f800000u) - 1.0f, z = f * f;
    float p = -7.6357506e-2f;
    p = p * f + 1.2761861e-1f;
    p = p * f + -1.3159683e-1f;
    p = p * f + 1.4201628e-1f;
    p = p * f + -1.6623408e-1f;
    p = p * f + 2.0001240e-1f;
    p = p * f + -2.5000820e-1f;
    p = p * f + 3.3333330e-1f;
    p = p * f * z - 0.5f * z;
    float y = f + (p + e * -2.12194440e-4f); /* ln 2 in two pieces: the second product is exact */
    y = e * 0.693359375f + y;
    y = x > 3.40282347e+38f || x != x ? x : y;
    y = x == 0.0f ? tsad_from_bits(0xff800000u) : y;
    return x < 0.0f ? tsad_nan() : y;
}

/* log(u) for u = 1 + x, and what rounding took from u. */
static inline float tsad_log1p(float x) {
    const float u = 1.0f + x;
    const float lost = u > 0.0f && x < 16777216.0f ? (x - (u - 1.0f)) / u : 0.0f;
    return tsad_log(u) + lost;
}

/* As exp, but e^r - 1 has a polynomial of its own: 2^n (e^r - 1) + (2^n - 1). */
static inline float tsad_expm1(float x) {
    const float shift = 12582912.0f;
    const float c = x < -30.0f ? -30.0f : x > 60.0f ? 60.0f : x;
    const float shifted = c * 1.44269504f + shift;
    const float n = shifted - shift;
    const float r = (c - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.9766994e-4f;
    p = p * r + 1.3933228e-3f;
    p = p * r + 8.3335410e-3f;
    p = p * r + 4.1666485e-2f;
    p = p * r + 1.6666666e-1f;
    p = p * r + 0.5f;
    const uint32_t exponent = tsad_to_bits(shifted) - 0x4b400000u;
    const float up = tsad_from_bits((exponent + 127u) << 23), down = tsad_from_bits((127u - exponent) << 23);
    const float y = ((r + r * r * p) + (1.0f - down)) * up;
    return x > 60.0f ? tsad_exp(x) : y;
}

/* A polynomial near zero, and 1 - e^p(|x|) beyond, fitted to 0.95 and to 4, where erf is 1 in float. */
static inline float tsad_erf(float x) {
    const float a = tsad_abs(x), t = a > 4.0f ? 4.0f : a, z = x * x;
    float p = 8.0027750e-5f;
    p = p * z + -8.0508040e-4f;
    p = p * z + 5.1924605e-3f;
    p = p * z + -2.6855740e-2f;
    p = p * z + 1.1283626e-1f;
    p = p * z + -3.7612630e-1f;
    p = p * z + 1.2837917e-1f;
    float q = 1.9478140e-4f;
    q = q * t + -3.0318545e-3f;
    q = q * t + 2.2181509e-2f;
    q = q * t + -1.0383712e-1f;
    q = q * t + -6.3729024e-1f;
    q = q * t + -1.1276113f;
    q = q * t + -2.1130404e-4f;
    return tsad_with_sign(a < 0.95f ? a + a * p : 1.0f - tsad_exp(q), x);
}

static inline float tsad_gelu(float x) { return 0.5f * x * (1.0f + tsad_erf(x * 0.70710678f)); }

static inline float tsad_gelu_tanh(float x) {
    return 0.5f * x * (1.0f + tsad_tanh(0.79788456f * (x + 0.044715f * x * x * x)));
}

static inline float tsad_silu(float x) { return x * tsad_sigmoid(x); }

static inline float tsad_softplus(float x) { return tsad_relu(x) + tsad_log1p(tsad_exp(-tsad_abs(x))); }

/* Up to here a sine's quarter turns are counted in floats. */
#define TSAD_SINE_NEAR 8192.0f

/* Sine of r + quarter * pi / 2, for |r| <= pi / 4. */
static inline float tsad_sine_of(float r, uint32_t quarter) {
    const float z = r * r;
    const float sine = r + r * z * ((-1.9508234e-4f * z + 8.3321080e-3f) * z + -1.6666654e-1f);
    const float cosine = 1.0f - 0.5f * z + z * z * ((2.4430088e-5f * z + -1.3887298e-3f) * z + 4.1666646e-2f);
    return tsad_from_bits(tsad_to_bits((quarter & 1u) != 0u ? cosine : sine) ^ (quarter & 2u) << 30);
}

/* Sine of x + ahead * pi / 2 for |x| <= TSAD_SINE_NEAR: pi / 2 in four pieces, the first three products exact. */
static inline float tsad_sine_near(float x, uint32_t ahead) {
    const float shift = 12582912.0f;
    const float shifted = x * 0.63661977f + shift;
    const float n = shifted - shift;
    const float r = ((x - n * 1.5703125f) - n * 4.8351288e-4f) - n * 3.1385570e-7f - n * 6.0771006e-11f;
    return tsad_sine_of(r, tsad_to_bits(shifted) + ahead);
}

/*
 * For any other x: its 24 digits times those digits of 2 / pi that matter, the quarter turns and 94 places behind
 * them, in integers. Infinity has no sine.
 */
static inline float tsad_sine_far(float x, uint32_t ahead) {
    static const uint32_t two_over_pi[8] = {0,           0xa2f9836eu, 0x4e441529u, 0xfc2757d1u,
                                            0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu};
    const uint32_t bits = tsad_to_bits(x), exponent = bits >> 23 & 255u;
    if (exponent == 255u)
        return tsad_nan();
    const uint64_t digits = (bits & 0x007fffffu) | 0x00800000u;
    const uint32_t from = exponent - 150u + 30u; /* place of the window's first digit behind the leading zeros */
    const uint32_t *w = two_over_pi + (from >> 5);
    const uint32_t left = from & 31u, right = 32u - left;
    const uint32_t high = (uint32_t)(((uint64_t)w[0] << 32 | w[1]) >> right);
    const uint32_t middle = (uint32_t)(((uint64_t)w[1] << 32 | w[2]) >> right);
    const uint32_t low = (uint32_t)(((uint64_t)w[2] << 32 | w[3]) >> right);
    const uint64_t turns = (digits * high << 32) + digits * middle + (digits * low >> 32);
    const uint64_t quarter = (turns + (UINT64_C(1) << 61)) >> 62;
    const uint64_t rest = turns - (quarter << 62);
    const int below = rest >> 63 != 0u;
    const float part = (float)(below ? UINT64_C(0) - rest : rest);
    const float r = part * 3.4061217e-19f + part * -9.4783964e-27f; /* pi / 2 / 2^62 in two pieces */
    const uint32_t q = (uint32_t)quarter;
    const int negative = bits >> 31 != 0u;
    return tsad_sine_of(below != negative ? -r : r, (negative ? 0u - q : q) + ahead);
}

/* Sine of x + ahead * pi / 2. */
static inline float tsad_sine(float x, uint32_t ahead) {
    return tsad_abs(x) <= TSAD_SINE_NEAR ? tsad_sine_near(x, ahead) : tsad_sine_far(x, ahead);
}

static inline float tsad_sin(float x) { return tsad_sine(x, 0u); }

static inline float tsad_cos(float x) { return tsad_sine(x, 1u); }

#endif
