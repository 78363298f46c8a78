/*
 * Integer kernels that work value by value, and those that move values: on several windows with gaps between them,
 * against 64 bits; rounding, sigmoid and tanh against double arithmetic. Nothing is written outside.
 */
#include "integers.h"

/* ---------------------------------------------------------------- one value */

static void roundings(void) {
    uint32_t seed = 3;
    for (int i = 0; i < 200000; i++) {
        const float value = ldexpf(noise(&seed), i % 30 - 6);
        const double nearest = round((double)value), most = 32767.0;
        CHECK(tsad_rounded(value, 32767) == (int32_t)(nearest > most ? most : nearest < -most ? -most : nearest));
    }
    for (int i = -70; i < 70; i++)
        CHECK(tsad_rounded((float)i / 2.0f, 30) == (int32_t)fmax(-30.0, fmin(30.0, round(i / 2.0))));
    CHECK(tsad_rounded(NAN, 5) == 5 && tsad_rounded(INFINITY, 5) == 5 && tsad_rounded(-INFINITY, 5) == -5);
    CHECK(tsad_rounded(-0.0f, 5) == 0 && tsad_rounded(1e-40f, 5) == 0 && tsad_rounded(0.49999997f, 5) == 0);
    CHECK(tsad_rounded(8388606.5f, 8388607) == 8388607 && tsad_rounded(-8388606.5f, 8388607) == -8388607);
    for (int bits = 0; bits < 20; bits++)
        for (int32_t value = -3000; value < 3000; value += 7)
            CHECK(tsad_shifted(value, bits) == (int32_t)down(value + ((1 << bits) >> 1), bits));
}

static void curves(void) {
    for (int fraction = 5; fraction <= 16; fraction++) {
        const double unit = ldexp(1.0, -fraction);
        for (int32_t value = -(20 << fraction); value <= 20 << fraction; value += 1 + (1 << fraction) / 37) {
            const double sigmoid = 32768.0 / (1.0 + exp(-value * unit));
            CHECK(fabs(tsad_sigmoid(value, fraction) - fmin(sigmoid, 32767.0)) <= 1.5);
            CHECK(tsad_sigmoid(value, fraction) >= 0 && tsad_sigmoid(value, fraction) <= 32767);
            if (fraction > 5) {
                CHECK(fabs(tsad_tanh(value, fraction) - 32768.0 * tanh(value * unit)) <= 2.5);
                CHECK(tsad_tanh(-value, fraction) == -tsad_tanh(value, fraction));
            }
        }
    }
}

static void pointwise(void) {
    fill(5);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t i = 0; i < 30; i++)
            expected[k * 33 + i] = x[k * 31 + i] > 0 ? x[k * 31 + i] : 0;
    TSAD_K(relu_s16)(WINDOWS, 30, x, 31, y, 33);
    compare("relu_s16");
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t i = 0; i < 30; i++) {
            const int16_t v = x[k * 31 + i];
            expected[k * 33 + i] = v > 0 ? v : (int16_t)down((int64_t)v * 9000 + (1 << 14), 15);
        }
    TSAD_K(leaky_relu_s16)(WINDOWS, 30, 9000, x, 31, y, 33);
    compare("leaky_relu_s16");
    for (int is_tanh = 0; is_tanh < 2; is_tanh++) {
        for (size_t k = 0; k < WINDOWS; k++)
            for (size_t i = 0; i < 30; i++) {
                const int32_t v = requantised((int64_t)x[k * 31 + i] * 8192, m[0][0], 3);
                expected[k * 33 + i] = (int16_t)(is_tanh ? tsad_tanh(v, 10) : tsad_sigmoid(v, 10));
            }
        (is_tanh ? TSAD_K(tanh_s16) : TSAD_K(sigmoid_s16))(WINDOWS, 30, m[0][0], 3, 10, x, 31, y, 33);
        compare(is_tanh ? "tanh_s16" : "sigmoid_s16");
    }
}

static void pairs(void) {
    enum { LEFT = 3 * 131072, RIGHT = -5 * 131072 };
    static const size_t d[3] = {2, 3, 4}, dense[3] = {12, 4, 1}, turned[3] = {1, 2, 6}, repeated[3] = {0, 4, 1};
    static const size_t *const strides[] = {dense, turned, repeated};
    for (size_t p = 0; p < 9; p++)
        for (int product = 0; product < 2; product++) {
            const size_t *as = strides[p / 3], *bs = strides[p % 3];
            const int32_t limit = product ? 900 : 9000;
            fill(6);
            for (size_t k = 0; k < WINDOWS; k++)
                for (size_t i = 0; i < 24; i++) {
                    const int64_t l = x[k * 26 + i / 12 * as[0] + i / 4 % 3 * as[1] + i % 4 * as[2]];
                    const int64_t r = h[k * 28 + i / 12 * bs[0] + i / 4 % 3 * bs[1] + i % 4 * bs[2]];
                    const int64_t sum = down(down(8192 * (l * LEFT + r * RIGHT), 32) + 1, 1);
                    const int64_t value = product ? requantised(l * r, m[0][1], 10) : sum;
                    expected[k * 30 + i] = (int16_t)(value < -limit ? -limit : value > limit ? limit : value);
                }
            if (product)
                TSAD_K(mul_s16)(WINDOWS, d, x, 26, as, h, 28, bs, m[0][1], 10, limit, y, 30);
            else
                TSAD_K(add_s16)(WINDOWS, d, x, 26, as, h, 28, bs, LEFT, RIGHT, 1, limit, y, 30);
            compare(product ? "mul_s16" : "add_s16");
        }
}

/* ---------------------------------------------------------------- moves and edges */

static void moves(void) {
    static const size_t d[3] = {2, 3, 4}, dense[3] = {12, 4, 1}, turned[3] = {1, 2, 6};
    fill(7);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t i = 0; i < 24; i++)
            expected[k * 30 + i / 12 * 12 + i / 4 % 3 * 4 + i % 4] = x[k * 26 + i / 12 + i / 4 % 3 * 2 + i % 4 * 6];
    TSAD_K(copy_s16)(WINDOWS, d, x, 26, turned, y, 30, dense);
    compare("copy_s16");
    fill(8);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t t = 0; t < 5; t++)
            for (size_t c = 0; c < 2; c++) {
                int16_t most = -32768;
                for (size_t tap = 0; tap < 3; tap++) {
                    const size_t at = 2 * t + 2 * tap;
                    if (at >= 3 && at - 3 < 8 && x[k * 17 + (at - 3) * 2 + c] > most)
                        most = x[k * 17 + (at - 3) * 2 + c];
                }
                expected[k * 11 + t * 2 + c] = most;
            }
    TSAD_K(max_pool_s16)(WINDOWS, 1, 8, 2, 5, 3, 2, 2, 3, x, 17, (const size_t[3]){16, 2, 1}, y, 11);
    compare("max_pool_s16");
}

static void edges(void) {
    static const float sample[3] = {1.0f, 2.5f, NAN}, table[6] = {0.5f, 1.0f, 0.0f, 3.0f, 1000.0f, 1.0f};
    static const size_t d[3] = {1, 2, 3}, turned[3] = {0, 1, 2};
    float values[6] = {1.5f, -2.5f, 3.0f, -4.0f, 1e9f, -1e9f}, back[8];
    fill(9);
    TSAD_K(enter_s16)(3, sample, table, 1200, y);
    CHECK(y[0] == 2 && y[1] == 1200 && y[2] == 1200 && y[3] == UNTOUCHED);
    TSAD_K(quantise_s16)(1, d, values, 0, turned, 2.0f, 100, y, 0);
    CHECK(y[0] == 3 && y[1] == 6 && y[2] == 100 && y[3] == -5 && y[4] == -8 && y[5] == -100 && y[6] == UNTOUCHED);
    back[6] = UNTOUCHED;
    TSAD_K(dequantise_s16)(1, d, y, 0, turned, 0.5f, back, 0);
    CHECK(back[0] == 1.5f && back[1] == 50.0f && back[2] == -4.0f && back[3] == 3.0f && back[6] == UNTOUCHED);
}

int main(void) {
    roundings();
    curves();
    pointwise();
    pairs();
    moves();
    edges();
    return check_result();
}
