/*
 * kernel_calls.c - calls every kernel on sizes as models have them; callgrind is told where each call begins and ends.
 *
 * Built once for each instruction set and run by instructions.py under Valgrind; alone it does nothing that can be
 * seen. The same noise goes in every time, since some kernels branch on it.
 */
#include "kernels.h"

#include <valgrind/callgrind.h>

enum { ROOM = 1 << 16, WIDE = 1024, LIMIT = 32767, MANY = 16 };

static float x[ROOM], w[ROOM], b[WIDE], y[ROOM], scratch[ROOM];
static int16_t x16[ROOM], y16[ROOM], scratch16[WIDE];
static union {
    int8_t bytes[ROOM];
    uint32_t align;
} w8;
static int32_t b32[WIDE], m[WIDE], acc[WIDE];
static int8_t shift[WIDE];

/* The label is the row's name in baseline.json. */
#define COUNT_AS(label, op, ...)                                                                                       \
    do {                                                                                                               \
        CALLGRIND_TOGGLE_COLLECT;                                                                                      \
        TSAD_K(op)(__VA_ARGS__);                                                                                       \
        CALLGRIND_TOGGLE_COLLECT;                                                                                      \
        CALLGRIND_DUMP_STATS_AT(label);                                                                                \
    } while (0)
#define COUNT(op, ...) COUNT_AS(#op, op, __VA_ARGS__)

static void fill(void) {
    uint32_t state = 1;
    for (size_t i = 0; i < ROOM; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
        w[i] = x[i] / 8.0f;
        x16[i] = (int16_t)((int32_t)(state >> 16) - 32768);
        w8.bytes[i] = (int8_t)((int32_t)(state >> 16) % 255 - 127);
    }
    for (size_t i = 0; i < WIDE; i++) {
        b[i] = x[i + 7];
        b32[i] = x16[i + 7];
        acc[i] = x16[i + 9] * 999;
        m[i] = 1 << 30;
        shift[i] = 10;
    }
}

/* What multiplies matrices goes another way for many windows than for one. */
static void matrices(void) {
    static const size_t steps[3] = {384, 8, 1}, a[3] = {384, 8, 1}, rows[2] = {384, 48};
    const float *from[MANY];
    float *to[MANY];
    for (size_t l = 0; l < MANY; l++) {
        from[l] = x + l * 256;
        to[l] = y + l * 64;
    }
    COUNT(add_lines_f32, 1, 256, 64, from, 1, w, 64, b, to);
    COUNT_AS("add_lines_f32, 16 lines", add_lines_f32, MANY, 256, 64, from, 1, w, 64, b, to);
    COUNT(linear_f32, 1, 1, 256, 64, x, 0, w, b, TSAD_ACT_TANH, y, 0);
    COUNT_AS("linear_f32, 16 windows", linear_f32, MANY, 1, 256, 64, x, 256, w, b, TSAD_ACT_TANH, y, 64);
    COUNT(lstm_f32, 1, 10, 5, 32, 1, x, 0, w, w + 640, b, NULL, NULL, y, 0, scratch);
    COUNT_AS("lstm_f32, 16 windows", lstm_f32, MANY, 10, 5, 32, 1, x, 5, w, w + 640, b, NULL, NULL, y, 32, scratch);
    COUNT(gru_f32, 1, 10, 5, 32, 1, x, 0, w, w + 480, b, b + 96, NULL, y, 0, scratch);
    COUNT_AS("gru_f32, 16 windows", gru_f32, MANY, 10, 5, 32, 1, x, 5, w, w + 480, b, b + 96, NULL, y, 32, scratch);
    COUNT(conv1d_f32, 1, 1, 48, 8, 48, 16, 3, 1, 2, 4, 1, x, 0, steps, w, b, TSAD_ACT_RELU, y, 0);
    COUNT_AS("conv1d_f32, 16 windows", conv1d_f32, MANY, 1, 48, 8, 48, 16, 3, 1, 2, 4, 1, x, 384, steps, w, b,
             TSAD_ACT_RELU, y, 768);
    COUNT(bmm_f32, 1, 2, 48, 8, 48, x, 0, a, w, 0, rows, y, 0);
}

/* One sample more of a stream. */
static void streams(void) {
    static float kept[2 + 32 * 5 + 47 * 32];
    float *const h = y, *const c = y + ROOM / 2;
    COUNT(keep_f32, 1, 48, 20, x, 0, y, 0);
    COUNT(keep_s16, 1, 48, 20, x16, 0, y16, 0);
    COUNT(lstm_flight_f32, 1, 48, 1, 5, 32, x, 0, w, w + 640, b, NULL, NULL, h, 0, c, scratch);
    COUNT(gru_flight_f32, 1, 48, 1, 5, 32, x, 0, w, w + 480, b, b + 96, NULL, h, 0, scratch);
    COUNT(linear_flight_f32, 1, 48, 5, 32, x, 0, w, b, TSAD_ACT_RELU, y, 0, kept);
}

static void unary(void) {
    COUNT(relu_f32, 1, 960, x, 0, y, 0);
    COUNT(leaky_relu_f32, 1, 960, 0.1f, x, 0, y, 0);
    COUNT(tanh_f32, 1, 960, x, 0, y, 0);
    COUNT(sigmoid_f32, 1, 960, x, 0, y, 0);
    COUNT(exp_f32, 1, 960, x, 0, y, 0);
    COUNT(abs_f32, 1, 960, x, 0, y, 0);
    COUNT(sign_f32, 1, 960, x, 0, y, 0);
    COUNT(floor_f32, 1, 960, x, 0, y, 0);
    COUNT(round_f32, 1, 960, x, 0, y, 0);
    COUNT(sqrt_f32, 1, 960, x, 0, y, 0);
    COUNT(rsqrt_f32, 1, 960, x, 0, y, 0);
    COUNT(log_f32, 1, 960, x, 0, y, 0);
    COUNT(log1p_f32, 1, 960, x, 0, y, 0);
    COUNT(expm1_f32, 1, 960, x, 0, y, 0);
    COUNT(erf_f32, 1, 960, x, 0, y, 0);
    COUNT(gelu_f32, 1, 960, x, 0, y, 0);
    COUNT(gelu_tanh_f32, 1, 960, x, 0, y, 0);
    COUNT(silu_f32, 1, 960, x, 0, y, 0);
    COUNT(softplus_f32, 1, 960, x, 0, y, 0);
    COUNT(sin_f32, 1, 960, x, 0, y, 0);
    COUNT(cos_f32, 1, 960, x, 0, y, 0);
}

static void other_floats(void) {
    static const size_t d[3] = {1, 48, 20}, dense[3] = {960, 20, 1}, row[3] = {0, 0, 1}, turned[3] = {960, 1, 48};
    static const size_t steps[3] = {960, 20, 1};
    COUNT(enter_f32, 38, x, w, y);
    COUNT(max_pool_f32, 1, 1, 48, 20, 24, 2, 2, 1, 0, x, 0, steps, y, 0);
    COUNT(mean_pool_f32, 1, 1, 48, 20, 24, 2, 2, 1, 0, 0, x, 0, steps, y, 0);
    COUNT(add_f32, 1, d, x, 0, dense, b, 0, row, y, 0);
    COUNT(sub_f32, 1, d, x, 0, dense, b, 0, row, y, 0);
    COUNT(mul_f32, 1, d, x, 0, dense, w, 0, dense, y, 0);
    COUNT(div_f32, 1, d, x, 0, dense, w, 0, dense, y, 0);
    COUNT(maximum_f32, 1, d, x, 0, dense, w, 0, dense, y, 0);
    COUNT(minimum_f32, 1, d, x, 0, dense, w, 0, dense, y, 0);
    COUNT(less_f32, 1, d, x, 0, dense, b, 0, row, y, 0);
    COUNT(less_equal_f32, 1, d, x, 0, dense, b, 0, row, y, 0);
    COUNT(equal_f32, 1, d, x, 0, dense, b, 0, row, y, 0);
    COUNT(not_equal_f32, 1, d, x, 0, dense, b, 0, row, y, 0);
    COUNT(where_f32, 1, d, x, 0, dense, w, 0, dense, b, 0, row, y, 0);
    COUNT(sum_f32, 1, 48, 20, 1, 0.05f, x, 0, y, 0);
    COUNT_AS("sum_f32, over columns", sum_f32, 1, 1, 48, 20, 0.05f, x, 0, y, 0);
    COUNT(max_f32, 1, 48, 20, 1, x, 0, y, 0);
    COUNT(min_f32, 1, 48, 20, 1, x, 0, y, 0);
    COUNT(prod_f32, 1, 48, 20, 1, x, 0, y, 0);
    COUNT(cumsum_f32, 1, 1, 48, 20, x, 0, y, 0);
    COUNT(var_f32, 1, 48, 20, 1, 0.05f, x, 0, y, 0);
    COUNT(normalise_f32, 1, 48, 20, 1, 1e-5f, x, 0, w, b, y, 0);
    COUNT(softmax_f32, 1, 48, 20, 1, 0, x, 0, y, 0);
    COUNT(copy_f32, 1, d, x, 0, turned, y, 0, dense);
}

static void integer_matrices(void) {
    static const size_t steps[3] = {384, 8, 1}, a[3] = {384, 8, 1}, from[3] = {384, 48, 1}, turned[3] = {384, 1, 8};
    const int8_t *const s8 = w8.bytes;
    COUNT(add_panels_s8, 12, 256, x16, s8, b32, acc);
    COUNT(next_rows_s8, 3, 256, x16, s8, b32, acc);
    COUNT(settle_s16, 960, acc, m, shift, TSAD_ACT_RELU, 10, LIMIT, y16);
    COUNT_AS("settle_s16, tanh", settle_s16, 960, acc, m, shift, TSAD_ACT_TANH, 10, LIMIT, y16);
    COUNT(settle_f32, 960, acc, b, TSAD_ACT_SIGMOID, y);
    COUNT(linear_s8_s16, 1, 1, 256, 64, x16, 0, s8, b32, m, shift, TSAD_ACT_RELU, 10, LIMIT, y16, 0);
    COUNT(linear_s8_f32, 1, 1, 256, 64, x16, 0, s8, b32, b, TSAD_ACT_RELU, y, 0);
    COUNT_AS("linear_s8_s16, 16 windows", linear_s8_s16, MANY, 1, 256, 64, x16, 256, s8, b32, m, shift, TSAD_ACT_RELU,
             10, LIMIT, y16, 64);
    COUNT_AS("linear_s8_s16, 16 windows that overlap", linear_s8_s16, MANY, 48, 8, 16, x16, 8, s8, b32, m, shift,
             TSAD_ACT_NONE, 10, LIMIT, y16, 768);
    COUNT(conv1d_s8_s16, 1, 1, 48, 8, 48, 16, 3, 1, 2, 4, 1, x16, 0, steps, s8, b32, m, shift, TSAD_ACT_RELU, 10, LIMIT,
          y16, 0, scratch16);
    COUNT(conv1d_s8_f32, 1, 1, 48, 8, 48, 16, 3, 1, 2, 4, 1, x16, 0, steps, s8, b32, b, TSAD_ACT_RELU, y, 0, scratch16);
    COUNT(lstm_s8, 1, 10, 5, 32, 1, x16, 0, s8, s8 + 640, b32, b32 + 128, m, shift, m, shift, 10, 12, y16, 0,
          scratch16);
    COUNT(gru_s8, 1, 10, 5, 32, 1, x16, 0, s8, s8 + 480, b32, b32 + 96, m, shift, m, shift, 10, y16, 0, scratch16);
    COUNT_AS("lstm_s8, 16 windows", lstm_s8, MANY, 10, 5, 32, 1, x16, 5, s8, s8 + 640, b32, b32 + 128, m, shift, m,
             shift, 10, 12, y16, 32, scratch16);
    COUNT_AS("gru_s8, 16 windows", gru_s8, MANY, 10, 5, 32, 1, x16, 5, s8, s8 + 480, b32, b32 + 96, m, shift, m, shift,
             10, y16, 32, scratch16);
    COUNT(bmm_s16, 1, 2, 48, 8, 48, x16, 0, a, x16 + 7, 0, from, 4, 1 << 30, 10, LIMIT, y16, 0);
    COUNT_AS("bmm_s16, turned", bmm_s16, 1, 2, 48, 8, 48, x16, 0, a, x16 + 7, 0, turned, 4, 1 << 30, 10, LIMIT, y16, 0);
}

static void other_integers(void) {
    static const size_t d[3] = {1, 48, 20}, dense[3] = {960, 20, 1}, row[3] = {0, 0, 1}, turned[3] = {960, 1, 48};
    COUNT(enter_s16, 38, x, w, LIMIT, y16);
    COUNT(quantise_s16, 1, d, x, 0, turned, 1000.0f, LIMIT, y16, 0);
    COUNT(dequantise_s16, 1, d, x16, 0, turned, 1e-3f, y, 0);
    COUNT(relu_s16, 1, 960, x16, 0, y16, 0);
    COUNT(leaky_relu_s16, 1, 960, 100, x16, 0, y16, 0);
    COUNT(tanh_s16, 1, 960, 1 << 14, 1, 10, x16, 0, y16, 0);
    COUNT(sigmoid_s16, 1, 960, 1 << 14, 1, 10, x16, 0, y16, 0);
    COUNT(add_s16, 1, d, x16, 0, dense, x16 + 7, 0, row, 9000, 9000, 14, LIMIT, y16, 0);
    COUNT(mul_s16, 1, d, x16, 0, dense, x16 + 7, 0, dense, 1 << 30, 10, LIMIT, y16, 0);
    COUNT(softmax_s16, 1, 48, 20, 1, 1 << 14, 1, x16, 0, y16, 0);
    COUNT(normalise_s16, 1, 48, 20, 1, 400, 3, x16, 0, y16, 0);
    COUNT(copy_s16, 1, d, x16, 0, turned, y16, 0, dense);
    COUNT(max_pool_s16, 1, 1, 48, 20, 24, 2, 2, 1, 0, x16, 0, dense, y16, 0);
}

int main(void) {
    fill();
    matrices();
    streams();
    unary();
    other_floats();
    integer_matrices();
    other_integers();
    return 0;
}
