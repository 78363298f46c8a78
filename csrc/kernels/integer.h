/*
 * integer.h - what integer kernels share: rounding, requantisation, saturation, roots, and the tables behind sigmoid,
 * tanh and softmax.
 *
 * codegen/ops/integer.py defines each of these; the bits are the same on every target and under any flags, for there
 * is no sum of floats here that a compiler could contract or reorder. A right shift of a negative number rounds down.
 */
#ifndef TSAD_INTEGER_H
#define TSAD_INTEGER_H

#include "kernels.h"

typedef char tsad_shifts_round_down[(-1 >> 1) == -1 && ((int64_t)-1 >> 1) == -1 ? 1 : -1];

enum {
    TSAD_LIMIT = 32767,
    TSAD_LIFT = 8192, /* 2^13, as codegen/ops/pointwise_s16.py has it */
    TSAD_HALF_SIGMOID_COUNT = 12 * 32 + 1,
    TSAD_POWERS_COUNT = 33,
    TSAD_F32_FRACTION = 16 /* of the argument of a sigmoid or tanh whose result is a float */
};

extern const uint16_t TSAD_K(half_sigmoid_table)[TSAD_HALF_SIGMOID_COUNT];
extern const uint16_t TSAD_K(powers_table)[TSAD_POWERS_COUNT];

/* x / 2^bits, halves up; bits may be 0 */
static inline int32_t tsad_shifted(int32_t x, int bits) { return (x + ((1 << bits) >> 1)) >> bits; }

/* acc * m / 2^(32 + shift), halves up; m from 0 on, shift from 1 to 31 */
static inline int32_t tsad_requantise(int32_t acc, int32_t m, int shift) {
    const int32_t high = (int32_t)((acc * (int64_t)m) >> 32);
    return (high + (1 << (shift - 1))) >> shift;
}

static inline int32_t tsad_clamped(int32_t x, int32_t low, int32_t high) { return x < low ? low : x > high ? high : x; }

/* x to the nearest integer, halves away from zero; beyond +-limit, or NaN, the limit. limit is below 2^23. */
static inline int32_t tsad_rounded(float x, int32_t limit) {
    union {
        float value;
        uint32_t bits;
    } u;
    if (!(x < (float)limit))
        return limit;
    if (x <= -(float)limit)
        return -limit;
    u.value = x;
    const int exponent = (int)(u.bits >> 23 & 255u) - 127; /* at most 22 */
    if (exponent < -1)
        return 0;
    const int32_t mantissa = (int32_t)((u.bits & 0x7fffffu) | 0x800000u);
    const int32_t whole = (mantissa + (1 << (22 - exponent))) >> (23 - exponent);
    return u.bits >> 31 ? -whole : whole;
}

/* |sigmoid(x) - 1/2| * 2^25 of x / 2^fraction; fraction from 5 to 16 */
static inline int32_t tsad_half_sigmoid(int32_t x, int fraction) {
    const int bits = fraction - 5;
    const int32_t end = (12 << fraction) - 1, positive = x < 0 ? -x : x, size = positive < end ? positive : end;
    const int32_t rest = size & ((1 << bits) - 1);
    const uint16_t *at = TSAD_K(half_sigmoid_table) + (size >> bits);
    return (at[0] << 8) + (((at[1] - at[0]) * (rest << 8)) >> bits);
}

/* sigmoid(x / 2^fraction) * 2^15, at most 32767 */
static inline int32_t tsad_sigmoid(int32_t x, int fraction) {
    const int32_t half = tsad_half_sigmoid(x, fraction);
    const int32_t y = tsad_shifted((1 << 24) + (x < 0 ? -half : half), 10);
    return y < TSAD_LIMIT ? y : TSAD_LIMIT;
}

/* tanh(x / 2^fraction) * 2^15 within +-32767; fraction from 6 on */
static inline int32_t tsad_tanh(int32_t x, int fraction) {
    const int32_t half = tsad_shifted(tsad_half_sigmoid(x, fraction - 1), 9);
    const int32_t y = half < TSAD_LIMIT ? half : TSAD_LIMIT;
    return x < 0 ? -y : y;
}

/* 2^(15 - t / 2^16), rounded */
static inline int32_t tsad_power(int32_t t) {
    const int whole = t >> 16;
    if (whole > 16)
        return 0;
    const uint16_t *at = TSAD_K(powers_table) + (t >> 11 & 31);
    return tsad_shifted(at[0] + (((at[1] - at[0]) * (t & 2047)) >> 11), whole);
}

/* The square root, rounded down, of an x from 2^62 on: sixteen bits one by one, the others by one division */
static inline uint32_t tsad_root(uint64_t x) {
    uint32_t root = 0, rest = (uint32_t)(x >> 32);
    for (uint32_t bit = 1u << 30; bit > 0; bit >>= 2) {
        const uint32_t tried = root + bit;
        root >>= 1;
        if (rest >= tried) {
            rest -= tried;
            root += bit;
        }
    }
    const uint32_t more = (rest << 15 | (uint32_t)(x >> 17 & 32767u)) / root; /* one too many at most */
    const uint32_t found = root << 16 | (more < 65535 ? more : 65535);
    return (uint64_t)found * found > x ? found - 1 : found;
}

#endif
