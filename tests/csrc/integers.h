/* What the tests of integer kernels share: arrays full of noise, requantisation in 64 bits, and a comparison. */
#ifndef TSAD_TEST_INTEGERS_H
#define TSAD_TEST_INTEGERS_H

#include "integer.h"

#include "check.h"

#include <math.h>

enum { ROOM = 6000, WINDOWS = 3, LIMIT = 30000, UNTOUCHED = 12345 };
static int16_t x[ROOM], h[ROOM], y[ROOM], expected[ROOM], scratch[ROOM];
static float out_f32[ROOM];
static int8_t plain[2][ROOM], shift[2][ROOM];
static int32_t bias[2][ROOM], m[2][ROOM];

static inline void fill(uint32_t seed) {
    for (size_t i = 0; i < ROOM; i++) {
        x[i] = (int16_t)(3000.0f * noise(&seed));
        h[i] = (int16_t)(3000.0f * noise(&seed));
        y[i] = expected[i] = scratch[i] = UNTOUCHED;
        out_f32[i] = UNTOUCHED;
        for (int k = 0; k < 2; k++) {
            plain[k][i] = (int8_t)(127.0f * noise(&seed));
            bias[k][i] = (int32_t)(100000.0f * noise(&seed));
            m[k][i] = (1 << 30) + (int32_t)(1e9f * fabsf(noise(&seed)));
            shift[k][i] = (int8_t)(5 + i % 4);
        }
    }
}

/* a / 2^bits, rounded down, without shifts of negative numbers. */
static inline int64_t down(int64_t a, int bits) {
    const int64_t unit = (int64_t)1 << bits;
    return a >= 0 ? a / unit : -((-a + unit - 1) / unit);
}

static inline int32_t requantised(int64_t acc, int32_t times, int by) {
    return (int32_t)down(down(acc * times, 32) + ((int64_t)1 << (by - 1)), by);
}

static inline void compare(const char *name) {
    for (size_t i = 0; i < ROOM; i++)
        if (y[i] != expected[i]) {
            fprintf(stderr, "%s: element %d is %d, expected %d\n", name, (int)i, y[i], expected[i]);
            CHECK(0);
            return;
        }
}

#endif
