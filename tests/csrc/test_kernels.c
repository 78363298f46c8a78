/*
 * Every kernel on several windows with gaps between them: the bits of a plain loop in the order that kernels.h
 * promises, the values of double arithmetic, and nothing written outside.
 */
#include "functions.h"
#include "kernels.h"

#include "check.h"

#include <math.h>
#include <stdlib.h>

enum { ROOM = 20000 };
static float x[ROOM], w[ROOM], v[ROOM], b[ROOM], y[ROOM], expected[ROOM], scratch[ROOM];
static const float UNTOUCHED = 12345.0f;

static void fill(uint32_t seed) {
    for (size_t i = 0; i < ROOM; i++) {
        x[i] = 2.0f * noise(&seed);
        w[i] = noise(&seed);
        v[i] = noise(&seed);
        b[i] = noise(&seed);
        y[i] = expected[i] = UNTOUCHED;
    }
}

static void compare(const char *name) {
    for (size_t i = 0; i < ROOM; i++)
        if (!same_bits(y + i, expected + i, 1)) {
            fprintf(stderr, "%s: element %d is %.9g, expected %.9g\n", name, (int)i, (double)y[i], (double)expected[i]);
            CHECK(0);
            return;
        }
}

static int is_close(float value, double exact, double magnitude) {
    return fabs((double)value - exact) <= 1e-6 * (1.0 + magnitude);
}

static float activated(enum tsad_activation act, float value) {
    tsad_activate(act, 1, &value);
    return value;
}

static void linear(size_t n, size_t rows, size_t in, size_t out, int bias, enum tsad_activation act) {
    const size_t x_pitch = in + 1, y_pitch = rows * out + 3; /* windows of x overlap when rows > 1 */
    fill((uint32_t)(1 + n + 3 * in + 7 * out));
    for (size_t k = 0; k < n; k++)
        for (size_t r = 0; r < rows; r++)
            for (size_t o = 0; o < out; o++) {
                volatile float sum = bias ? b[o] : 0.0f;
                double exact = (double)sum, magnitude = 0.0;
                for (size_t i = 0; i < in; i++) {
                    const volatile float product = x[k * x_pitch + r * in + i] * w[i * out + o];
                    sum = sum + product;
                    exact += (double)x[k * x_pitch + r * in + i] * (double)w[i * out + o];
                    magnitude += fabs((double)product);
                }
                CHECK(is_close(sum, exact, magnitude));
                expected[k * y_pitch + r * out + o] = activated(act, sum);
            }
    TSAD_K(linear_f32)(n, rows, in, out, x, x_pitch, w, bias ? b : NULL, act, y, y_pitch);
    compare("linear_f32");
}

static void linears(void) {
    static const size_t counts[] = {1, 2, 3, 4, 5, 16, 17}, ins[] = {1, 7, 8, 9, 24, 33},
                        outs[] = {1, 2, 3, 4, 5, 8, 31, 32, 33};
    for (size_t a = 0; a < 7; a++)
        for (size_t i = 0; i < 6; i++)
            for (size_t o = 0; o < 9; o++)
                linear(counts[a], 1, ins[i], outs[o], (a + i + o) % 2 == 0, (enum tsad_activation)((a + i + o) % 4));
    linear(3, 5, 9, 4, 1, TSAD_ACT_TANH);
    linear(5, 7, 11, 3, 0, TSAD_ACT_RELU);
    linear(2, 40, 6, 8, 1, TSAD_ACT_SIGMOID);
}

static double sigmoid(double a) { return 1.0 / (1.0 + exp(-a)); }

/* One window of an LSTM in double. */
static void lstm_double(size_t steps, size_t in, size_t hidden, const float *from, int initial, double *h, double *c) {
    double gates[4 * 8];
    for (size_t k = 0; k < hidden; k++) {
        h[k] = initial ? (double)b[100 + k] : 0.0;
        c[k] = initial ? (double)b[200 + k] : 0.0;
    }
    for (size_t step = 0; step < steps; step++) {
        for (size_t g = 0; g < 4 * hidden; g++) {
            gates[g] = (double)b[g];
            for (size_t i = 0; i < in; i++)
                gates[g] += (double)from[step * in + i] * (double)w[i * 4 * hidden + g];
            for (size_t k = 0; k < hidden; k++)
                gates[g] += h[k] * (double)v[k * 4 * hidden + g];
        }
        for (size_t k = 0; k < hidden; k++) {
            c[k] = sigmoid(gates[hidden + k]) * c[k] + sigmoid(gates[k]) * tanh(gates[2 * hidden + k]);
            h[k] = sigmoid(gates[3 * hidden + k]) * tanh(c[k]);
        }
    }
}

static void lstm(size_t n, size_t steps, size_t in, size_t hidden, int initial) {
    const float *h0 = initial ? b + 100 : NULL, *c0 = initial ? b + 200 : NULL;
    double h[8], c[8];
    const size_t all_pitch = steps * hidden + 2, last_pitch = hidden + 1, last_at = ROOM / 2;
    fill((uint32_t)(11 + n + steps));
    scratch[6 * hidden] = UNTOUCHED;
    TSAD_K(lstm_f32)(n, steps, in, hidden, 0, x, in, w, v, b, h0, c0, y, all_pitch, scratch);
    TSAD_K(lstm_f32)(n, steps, in, hidden, 1, x, in, w, v, b, h0, c0, y + last_at, last_pitch, scratch);
    CHECK(scratch[6 * hidden] == UNTOUCHED);
    for (size_t k = 0; k < n; k++) {
        float *all = y + k * all_pitch, *last = y + last_at + k * last_pitch;
        CHECK(same_bits(all + (steps - 1) * hidden, last, hidden));
        CHECK(all[steps * hidden] == UNTOUCHED && last[hidden] == UNTOUCHED);
        for (size_t step = 1; step <= steps; step++) {
            lstm_double(step, in, hidden, x + k * in, initial, h, c);
            for (size_t j = 0; j < hidden; j++)
                CHECK(is_close(all[(step - 1) * hidden + j], h[j], 1.0));
        }
        /* Alone it gives the same bits. */
        TSAD_K(lstm_f32)(1, steps, in, hidden, 1, x + k * in, 0, w, v, b, h0, c0, expected, 0, scratch);
        CHECK(same_bits(expected, last, hidden));
    }
}

static void unary(const char *name,
                  void (*kernel)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch),
                  float (*f)(float)) {
    fill(21);
    x[0] = -0.0f;
    x[1] = INFINITY;
    x[2] = -INFINITY;
    x[3] = 1e-40f;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < 37; i++)
            expected[k * 41 + i] = f(x[k * 38 + i]);
    kernel(3, 37, x, 38, y, 41);
    compare(name);
    memcpy(y, x, sizeof y); /* in place */
    kernel(3, 37, y, 38, y, 38);
    for (size_t k = 0; k < 3; k++)
        CHECK(same_bits(y + k * 38, expected + k * 41, 37) && same_bits(y + k * 38 + 37, x + k * 38 + 37, 1));
}

static float leaky(float a) { return a < 0.0f ? a * 0.25f : a; }

static void leaky_kernel(size_t n, size_t count, const float *from, size_t x_pitch, float *to, size_t y_pitch) {
    TSAD_K(leaky_relu_f32)(n, count, 0.25f, from, x_pitch, to, y_pitch);
}

typedef void binary_kernel(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3],
                           const float *b, size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch);

static float sum_of(float l, float r) { return l + r; }
static float difference_of(float l, float r) { return l - r; }
static float product_of(float l, float r) { return l * r; }
static float quotient_of(float l, float r) { return l / r; }
static float less_of(float l, float r) { return l < r; }
static float less_equal_of(float l, float r) { return l <= r; }
static float equal_of(float l, float r) { return l == r; }
static float not_equal_of(float l, float r) { return l != r; }

static void binary(const char *name, binary_kernel *kernel, float (*f)(float, float)) {
    static const size_t d[3] = {3, 4, 5};
    static const size_t strides[][3] = {{20, 5, 1}, {0, 5, 1}, {0, 0, 1}, {4, 1, 0}, {1, 3, 12}, {0, 0, 0}};
    for (size_t p = 0; p < 6; p++)
        for (size_t q = 0; q < 6; q++) {
            const size_t *as = strides[p], *bs = strides[q];
            fill(31);
            for (size_t i = 0; i < 200; i += 3)
                w[i] = x[i] = i % 2 == 0 ? 0.5f : NAN; /* ties, and what compares with nothing */
            for (size_t k = 0; k < 2; k++)
                for (size_t i = 0; i < 60; i++) {
                    const size_t i0 = i / 20, i1 = i / 5 % 4, i2 = i % 5;
                    const float l = x[k * 61 + i0 * as[0] + i1 * as[1] + i2 * as[2]];
                    const float r = w[k * 63 + i0 * bs[0] + i1 * bs[1] + i2 * bs[2]];
                    expected[k * 65 + i] = f(l, r);
                }
            kernel(2, d, x, 61, as, w, 63, bs, y, 65);
            compare(name);
        }
    /* In place, over either operand. */
    fill(32);
    for (size_t i = 0; i < 60; i++) {
        const float l = x[i], r = w[i];
        expected[i] = f(l, r);
    }
    memcpy(y, x, 60 * sizeof *y);
    kernel(1, d, y, 0, strides[0], w, 0, strides[0], y, 0);
    compare(name);
    memcpy(y, w, 60 * sizeof *y);
    kernel(1, d, x, 0, strides[0], y, 0, strides[0], y, 0);
    compare(name);
}

static void reduce(size_t n, size_t outer, size_t reduced, size_t inner) {
    const size_t x_pitch = outer * reduced * inner + 1, y_pitch = outer * inner + 2;
    for (int largest = 0; largest < 2; largest++) {
        fill(41);
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < outer; i++)
                for (size_t j = 0; j < inner; j++) {
                    const float *from = x + k * x_pitch + i * reduced * inner + j;
                    volatile float sum = 0.0f;
                    float most = from[0];
                    for (size_t r = 0; r < reduced; r++) {
                        sum = sum + from[r * inner];
                        most = from[r * inner] > most ? from[r * inner] : most;
                    }
                    sum = sum * 0.3f;
                    expected[k * y_pitch + i * inner + j] = largest ? most : sum;
                }
        if (largest)
            TSAD_K(max_f32)(n, outer, reduced, inner, x, x_pitch, y, y_pitch);
        else
            TSAD_K(sum_f32)(n, outer, reduced, inner, 0.3f, x, x_pitch, y, y_pitch);
        compare(largest ? "max_f32" : "sum_f32");
    }
}

static void reduces(void) {
    reduce(1, 1, 1, 1);
    reduce(3, 1, 17, 1);
    reduce(3, 1, 17, 4);
    reduce(2, 3, 5, 1);
    reduce(2, 3, 5, 7);
    fill(42);
    x[5] = NAN;
    TSAD_K(max_f32)(1, 1, 10, 1, x, 0, y, 0);
    TSAD_K(max_f32)(1, 1, 5, 1, x + 5, 0, y + 1, 0);
    CHECK(isnan(y[0]) && isnan(y[1]));
}

static void copies(void) {
    static const size_t d[3] = {2, 3, 4}, dense[3] = {12, 4, 1}, turned[3] = {1, 2, 6}, repeated[3] = {0, 4, 1};
    static const size_t *const strides[] = {dense, turned, repeated};
    for (size_t p = 0; p < 3; p++)
        for (size_t q = 0; q < 2; q++) {
            fill(51);
            for (size_t k = 0; k < 2; k++)
                for (size_t i = 0; i < 24; i++) {
                    const size_t i0 = i / 12, i1 = i / 4 % 3, i2 = i % 4;
                    const size_t *xs = strides[p], *ys = strides[q];
                    expected[k * 30 + i0 * ys[0] + i1 * ys[1] + i2 * ys[2]] =
                        x[k * 26 + i0 * xs[0] + i1 * xs[1] + i2 * xs[2]];
                }
            TSAD_K(copy_f32)(2, d, x, 26, strides[p], y, 30, strides[q]);
            compare("copy_f32");
        }
}

static void enter(void) {
    static const float sample[3] = {1, 2, 3}, table[6] = {1, 1, 5, 2, 0.5f, 0.25f};
    TSAD_K(enter_f32)(3, sample, table, y);
    CHECK(y[0] == 0.0f && y[1] == 0.5f && y[2] == -0.5f);
}

int main(void) {
    enter();
    linears();
    lstm(1, 1, 1, 1, 0);
    lstm(4, 6, 3, 8, 0);
    lstm(5, 9, 2, 7, 1);
    unary("relu_f32", TSAD_K(relu_f32), tsad_relu);
    unary("tanh_f32", TSAD_K(tanh_f32), tsad_tanh);
    unary("sigmoid_f32", TSAD_K(sigmoid_f32), tsad_sigmoid);
    unary("exp_f32", TSAD_K(exp_f32), tsad_exp);
    unary("abs_f32", TSAD_K(abs_f32), tsad_abs);
    unary("sign_f32", TSAD_K(sign_f32), tsad_sign);
    unary("floor_f32", TSAD_K(floor_f32), tsad_floor);
    unary("round_f32", TSAD_K(round_f32), tsad_round);
    unary("sqrt_f32", TSAD_K(sqrt_f32), tsad_sqrt);
    unary("rsqrt_f32", TSAD_K(rsqrt_f32), tsad_rsqrt);
    unary("log_f32", TSAD_K(log_f32), tsad_log);
    unary("log1p_f32", TSAD_K(log1p_f32), tsad_log1p);
    unary("expm1_f32", TSAD_K(expm1_f32), tsad_expm1);
    unary("erf_f32", TSAD_K(erf_f32), tsad_erf);
    unary("gelu_f32", TSAD_K(gelu_f32), tsad_gelu);
    unary("gelu_tanh_f32", TSAD_K(gelu_tanh_f32), tsad_gelu_tanh);
    unary("silu_f32", TSAD_K(silu_f32), tsad_silu);
    unary("softplus_f32", TSAD_K(softplus_f32), tsad_softplus);
    unary("sin_f32", TSAD_K(sin_f32), tsad_sin);
    unary("cos_f32", TSAD_K(cos_f32), tsad_cos);
    unary("leaky_relu_f32", leaky_kernel, leaky);
    binary("add_f32", TSAD_K(add_f32), sum_of);
    binary("sub_f32", TSAD_K(sub_f32), difference_of);
    binary("mul_f32", TSAD_K(mul_f32), product_of);
    binary("div_f32", TSAD_K(div_f32), quotient_of);
    binary("maximum_f32", TSAD_K(maximum_f32), tsad_larger);
    binary("minimum_f32", TSAD_K(minimum_f32), tsad_smaller);
    binary("less_f32", TSAD_K(less_f32), less_of);
    binary("less_equal_f32", TSAD_K(less_equal_f32), less_equal_of);
    binary("equal_f32", TSAD_K(equal_f32), equal_of);
    binary("not_equal_f32", TSAD_K(not_equal_f32), not_equal_of);
    reduces();
    copies();
    return check_result();
}
