/*
 * conv1d, pools, gru and bmm on several windows with gaps between them: the bits of a plain loop in the order that
 * kernels.h promises (gru: the values of double arithmetic), and nothing written outside.
 */
#include "elementary.h"
#include "kernels.h"

#include "check.h"

#include <math.h>

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

/* What an operator sees of (rows, steps, channels): taps, and where they fall. */
typedef struct walk {
    size_t rows, steps, in, taps, stride, dilation, before, after;
} walk;

static size_t out_steps(const walk *k) {
    return (k->before + k->steps + k->after - k->dilation * (k->taps - 1) - 1) / k->stride + 1;
}

/* The step that a tap of an output falls on, or -1 for padding. */
static int step_of(const walk *k, size_t t, size_t tap) {
    const size_t at = t * k->stride + tap * k->dilation;
    return at >= k->before && at - k->before < k->steps ? (int)(at - k->before) : -1;
}

static void conv1d(size_t n, walk k, size_t out, size_t groups, int turned, enum tsad_activation act) {
    const size_t T = out_steps(&k), in = k.in / groups, outs = out / groups;
    const size_t dense[3] = {k.steps * k.in, k.in, 1}, across[3] = {k.steps * k.in, 1, k.steps};
    const size_t *xs = turned ? across : dense;
    const size_t x_pitch = k.in, y_pitch = k.rows * T * out + 3; /* windows of x overlap */
    const int bias = act != TSAD_ACT_NONE;
    fill((uint32_t)(1 + n + 3 * k.in + 7 * out + 11 * k.taps));
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < k.rows; row++)
            for (size_t t = 0; t < T; t++)
                for (size_t o = 0; o < out; o++) {
                    volatile float sum = bias ? b[o] : 0.0f;
                    for (size_t tap = 0; tap < k.taps; tap++) {
                        const int step = step_of(&k, t, tap);
                        for (size_t i = 0; step >= 0 && i < in; i++) {
                            const size_t channel = o / outs * in + i;
                            const volatile float product =
                                x[window * x_pitch + row * xs[0] + (size_t)step * xs[1] + channel * xs[2]] *
                                w[(tap * in + i) * out + o];
                            sum = sum + product;
                        }
                    }
                    float result = sum;
                    tsad_activate(act, 1, &result);
                    expected[window * y_pitch + (row * T + t) * out + o] = result;
                }
    TSAD_K(conv1d_f32)
    (n, k.rows, k.steps, k.in, T, out, k.taps, k.stride, k.dilation, k.before, groups, x, x_pitch, xs, w,
     bias ? b : NULL, act, y, y_pitch);
    compare("conv1d_f32");
}

static void convs(void) {
    static const walk walks[] = {{1, 1, 1, 1, 1, 1, 0, 0},   {1, 9, 1, 3, 1, 2, 4, 0}, {1, 40, 3, 3, 1, 1, 1, 1},
                                 {1, 40, 4, 5, 1, 4, 16, 0}, {2, 7, 8, 4, 2, 1, 2, 3}, {3, 6, 12, 2, 3, 3, 0, 0},
                                 {1, 3, 2, 3, 1, 4, 8, 8},   {1, 20, 2, 8, 1, 1, 0, 0}};
    static const size_t outs[] = {1, 3, 4, 33};
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        for (size_t o = 0; o < 4; o++)
            for (int turned = 0; turned < 2; turned++)
                conv1d(1 + (i + o) % 3 * 2, walks[i], outs[o], 1, turned, (enum tsad_activation)((i + o) % 4));
    conv1d(3, walks[3], 4, 4, 0, TSAD_ACT_RELU); /* each channel by itself */
    conv1d(2, walks[5], 12, 12, 1, TSAD_ACT_TANH);
    conv1d(2, walks[5], 36, 12, 0, TSAD_ACT_NONE);
    conv1d(2, walks[4], 10, 2, 0, TSAD_ACT_SIGMOID);
    conv1d(2, walks[4], 16, 4, 1, TSAD_ACT_NONE);
}

static void pool(size_t n, walk k, int turned) {
    const size_t T = out_steps(&k), dense[3] = {k.steps * k.in, k.in, 1}, across[3] = {k.steps * k.in, 1, k.steps};
    const size_t *xs = turned ? across : dense;
    const size_t x_pitch = k.in, y_pitch = k.rows * T * k.in + 1;
    for (int kind = 0; kind < 3; kind++) { /* maximum, mean of the steps, mean with the zeros */
        fill((uint32_t)(5 + n + k.steps));
        for (size_t window = 0; window < n; window++)
            for (size_t row = 0; row < k.rows; row++)
                for (size_t t = 0; t < T; t++)
                    for (size_t c = 0; c < k.in; c++) {
                        volatile float sum = 0.0f;
                        float most = -INFINITY;
                        size_t count = 0;
                        for (size_t tap = 0; tap < k.taps; tap++) {
                            const int step = step_of(&k, t, tap);
                            if (step < 0)
                                continue;
                            const float value = x[window * x_pitch + row * xs[0] + (size_t)step * xs[1] + c * xs[2]];
                            sum = sum + value;
                            most = value > most ? value : most;
                            count++;
                        }
                        expected[window * y_pitch + (row * T + t) * k.in + c] =
                            kind == 0 ? most : sum / (float)(kind == 1 ? count : k.taps);
                    }
        if (kind == 0) {
            TSAD_K(max_pool_f32)
            (n, k.rows, k.steps, k.in, T, k.taps, k.stride, k.dilation, k.before, x, x_pitch, xs, y, y_pitch);
        } else {
            TSAD_K(mean_pool_f32)
            (n, k.rows, k.steps, k.in, T, k.taps, k.stride, k.dilation, k.before, kind == 2, x, x_pitch, xs, y,
             y_pitch);
        }
        compare(kind == 0 ? "max_pool_f32" : "mean_pool_f32");
    }
}

static void pools(void) {
    static const walk walks[] = {
        {1, 1, 1, 1, 1, 1, 0, 0}, {1, 12, 3, 2, 2, 1, 0, 0}, {2, 11, 5, 3, 2, 2, 1, 2}, {1, 9, 8, 4, 1, 1, 2, 2}};
    static const size_t all[3] = {4, 1, 1};
    for (size_t i = 0; i < sizeof walks / sizeof *walks; i++)
        for (int turned = 0; turned < 2; turned++)
            pool(1 + i, walks[i], turned);
    fill(3);
    x[2] = NAN;
    TSAD_K(max_pool_f32)(1, 1, 4, 1, 2, 3, 1, 1, 0, x, 0, all, y, 0);
    CHECK(isnan(y[0]) && isnan(y[1]) && y[2] == UNTOUCHED);
}

static double sigmoid(double a) { return 1.0 / (1.0 + exp(-a)); }

/* One window of a GRU in double; biases b and b + 100, the initial state at b + 200. */
static void gru_double(size_t steps, size_t in, size_t hidden, const float *from, int biased, int initial, double *h) {
    double gates[3 * 8], fed[3 * 8];
    for (size_t k = 0; k < hidden; k++)
        h[k] = initial ? (double)b[200 + k] : 0.0;
    for (size_t step = 0; step < steps; step++) {
        for (size_t g = 0; g < 3 * hidden; g++) {
            gates[g] = biased ? (double)b[g] : 0.0;
            fed[g] = biased ? (double)b[100 + g] : 0.0;
            for (size_t i = 0; i < in; i++)
                gates[g] += (double)from[step * in + i] * (double)w[i * 3 * hidden + g];
            for (size_t k = 0; k < hidden; k++)
                fed[g] += h[k] * (double)v[k * 3 * hidden + g];
        }
        for (size_t k = 0; k < hidden; k++) {
            const double r = sigmoid(gates[k] + fed[k]), z = sigmoid(gates[hidden + k] + fed[hidden + k]);
            h[k] = (1.0 - z) * tanh(gates[2 * hidden + k] + r * fed[2 * hidden + k]) + z * h[k];
        }
    }
}

static void gru(size_t n, size_t steps, size_t in, size_t hidden, int biased, int initial) {
    const float *b_ih = biased ? b : NULL, *b_hh = biased ? b + 100 : NULL, *h0 = initial ? b + 200 : NULL;
    const size_t all_pitch = steps * hidden + 2, last_pitch = hidden + 1, last_at = ROOM / 2;
    double h[8];
    fill((uint32_t)(13 + n + steps));
    scratch[7 * hidden] = UNTOUCHED;
    TSAD_K(gru_f32)(n, steps, in, hidden, 0, x, in, w, v, b_ih, b_hh, h0, y, all_pitch, scratch);
    TSAD_K(gru_f32)(n, steps, in, hidden, 1, x, in, w, v, b_ih, b_hh, h0, y + last_at, last_pitch, scratch);
    CHECK(scratch[7 * hidden] == UNTOUCHED);
    for (size_t k = 0; k < n; k++) {
        const float *all = y + k * all_pitch, *last = y + last_at + k * last_pitch;
        CHECK(same_bits(all + (steps - 1) * hidden, last, hidden));
        CHECK(all[steps * hidden] == UNTOUCHED && last[hidden] == UNTOUCHED);
        for (size_t step = 1; step <= steps; step++) {
            gru_double(step, in, hidden, x + k * in, biased, initial, h);
            for (size_t j = 0; j < hidden; j++)
                CHECK(fabs((double)all[(step - 1) * hidden + j] - h[j]) <= 2e-6);
        }
        /* Alone it gives the same bits. */
        TSAD_K(gru_f32)(1, steps, in, hidden, 1, x + k * in, 0, w, v, b_ih, b_hh, h0, expected, 0, scratch);
        CHECK(same_bits(expected, last, hidden));
    }
}

static void bmm(size_t n, size_t count, size_t rows, size_t in, size_t out, int turned) {
    const size_t a_dense[3] = {rows * in, in, 1}, a_across[3] = {in, 1, count * in},
                 b_strides[2] = {in * (out + 1), out + 1};
    const size_t *as = turned ? a_across : a_dense;
    const size_t a_pitch = 2, b_pitch = turned ? 0 : count * in * (out + 1) + 3, y_pitch = count * rows * out + 1;
    fill((uint32_t)(17 + n + in));
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < count; i++)
            for (size_t row = 0; row < rows; row++)
                for (size_t o = 0; o < out; o++) {
                    volatile float sum = 0.0f;
                    for (size_t k = 0; k < in; k++) {
                        const volatile float product = x[window * a_pitch + i * as[0] + row * as[1] + k * as[2]] *
                                                       w[window * b_pitch + i * b_strides[0] + k * b_strides[1] + o];
                        sum = sum + product;
                    }
                    expected[window * y_pitch + (i * rows + row) * out + o] = sum;
                }
    TSAD_K(bmm_f32)(n, count, rows, in, out, x, a_pitch, as, w, b_pitch, b_strides, y, y_pitch);
    compare("bmm_f32");
}

int main(void) {
    convs();
    pools();
    gru(1, 1, 1, 1, 0, 0);
    gru(4, 6, 3, 8, 1, 0);
    gru(5, 9, 2, 7, 1, 1);
    for (int turned = 0; turned < 2; turned++) {
        bmm(1, 1, 1, 1, 1, turned);
        bmm(3, 2, 5, 9, 3, turned);
        bmm(2, 3, 17, 8, 12, turned);
        bmm(2, 1, 33, 1, 5, turned);
    }
    return check_result();
}
