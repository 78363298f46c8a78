/*
 * Integer kernels for AVX2 or AVX-512 (fast.h) beside those for every machine, in one process: the same bits, whatever
 * the sizes, the strides and the company of a window. Nothing is written outside.
 */
#include "kernels.h"

#include "check.h"
#include "fast.h"

enum { CASES = 1500, ROOM = 1 << 17, WIDE = 1100, LIMIT = 32767 };

static int16_t a[ROOM], b[ROOM], ours[ROOM], theirs[ROOM], scratch[ROOM];
static float got[ROOM], wanted[ROOM];
static union {
    int8_t bytes[ROOM];
    uint32_t align;
} w[2];
static int32_t bias[2][WIDE], m[2][WIDE];
static int8_t shift[2][WIDE];
static float scale[WIDE];
static uint32_t state = 1;

DECLARE(next_rows_s8);
DECLARE(linear_s8_s16);
DECLARE(linear_s8_f32);
DECLARE(lstm_s8);
DECLARE(gru_s8);
DECLARE(bmm_s16);
DECLARE(softmax_s16);
DECLARE(normalise_s16);
DECLARE(add_s16);
DECLARE(mul_s16);

static size_t between(size_t least, size_t most) {
    noise(&state);
    return least + state % (most - least + 1);
}

/* Values up to `most`; now and then nothing but the largest ones. */
static void fill(int16_t *to, size_t count, int32_t most) {
    const int extreme = between(0, 9) == 0;
    for (size_t i = 0; i < count; i++) {
        const float value = noise(&state);
        to[i] = (int16_t)(extreme ? (value < -0.9f ? -most : most) : (int32_t)(value * (float)most));
    }
}

static void fill_weights(void) {
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < 20000; i++)
            w[k].bytes[i] = (int8_t)(noise(&state) * 127.0f);
        for (size_t i = 0; i < WIDE; i++) {
            bias[k][i] = (int32_t)(noise(&state) * 1e6f);
            m[k][i] = (int32_t)between(0, 0x7fffffff);
            shift[k][i] = (int8_t)between(1, 12);
            scale[i] = noise(&state);
        }
    }
}

static void clear(void) {
    memset(ours, 1, sizeof ours);
    memset(theirs, 1, sizeof theirs);
}

static void check_same(const char *name) {
    if (memcmp(ours, theirs, sizeof ours) != 0) {
        fprintf(stderr, "%s: other bits\n", name);
        CHECK(0);
    }
}

/* Rows of w that fill no panel, too. */
static void next_rows(void) {
    const size_t in = between(1, 100), left = between(1, 70);
    int32_t acc[2][TSAD_ROWS] = {{0}, {0}};
    fill(a, 100, LIMIT);
    const size_t count = TSAD_K(next_rows_s8)(left, in, a, w[0].bytes, bias[0], acc[0]);
    CHECK(FAST(next_rows_s8)(left, in, a, w[0].bytes, bias[0], acc[1]) == count);
    CHECK(memcmp(acc[0], acc[1], sizeof acc[0]) == 0);
}

/* Windows that overlap by all rows but one, as those of a series do, and others. */
static void overlapping(void) {
    const size_t n = between(1, 40), rows = between(1, 12), in = between(1, 20), out = between(1, 60);
    const size_t x_pitch = between(0, 3) ? in : between(0, 2 * in), y_pitch = rows * out + between(0, 3);
    fill(a, 3000, LIMIT);
    clear();
    TSAD_K(linear_s8_s16)
    (n, rows, in, out, a, x_pitch, w[0].bytes, bias[0], m[0], shift[0], TSAD_ACT_TANH, 9, 0, theirs, y_pitch);
    FAST(linear_s8_s16)
    (n, rows, in, out, a, x_pitch, w[0].bytes, bias[0], m[0], shift[0], TSAD_ACT_TANH, 9, 0, ours, y_pitch);
    check_same("linear_s8_s16");
    TSAD_K(linear_s8_f32)
    (n, rows, in, out, a, x_pitch, w[0].bytes, bias[0], scale, TSAD_ACT_RELU, wanted, y_pitch);
    FAST(linear_s8_f32)(n, rows, in, out, a, x_pitch, w[0].bytes, bias[0], scale, TSAD_ACT_RELU, got, y_pitch);
    CHECK(same_bits(got, wanted, ROOM));
}

/* More columns than weights stay near of. */
static void deep(void) {
    const size_t n = between(1, 30), in = between(230, 660), out = between(1, 30);
    fill(a, n + in, LIMIT);
    clear();
    TSAD_K(linear_s8_s16)
    (n, 1, in, out, a, 1, w[0].bytes, bias[0], m[0], shift[0], TSAD_ACT_NONE, 9, 9999, theirs, out);
    FAST(linear_s8_s16)(n, 1, in, out, a, 1, w[0].bytes, bias[0], m[0], shift[0], TSAD_ACT_NONE, 9, 9999, ours, out);
    check_same("linear_s8_s16, deep");
}

/* More windows than take a step together, and fewer. */
static void recurrent(void) {
    const size_t steps = between(1, 4), in = between(1, 9), hidden = between(1, 30);
    const size_t n = between(1, between(0, 3) ? 4 : 80), x_pitch = between(0, 1) ? in : steps * in + 1;
    const int last = (int)between(0, 1), fraction = (int)between(6, 16), cell = (int)between(6, 14);
    const size_t y_pitch = (last ? 1 : steps) * hidden + between(0, 2);
    fill(a, 4000, LIMIT);
    clear();
    TSAD_K(lstm_s8)
    (n, steps, in, hidden, last, a, x_pitch, w[0].bytes, w[1].bytes, bias[0], bias[1], m[0], shift[0], m[1], shift[1],
     fraction, cell, theirs, y_pitch, scratch);
    scratch[6 * hidden] = 12345;
    FAST(lstm_s8)
    (n, steps, in, hidden, last, a, x_pitch, w[0].bytes, w[1].bytes, bias[0], bias[1], m[0], shift[0], m[1], shift[1],
     fraction, cell, ours, y_pitch, scratch);
    check_same("lstm_s8");
    CHECK(scratch[6 * hidden] == 12345);
    clear();
    TSAD_K(gru_s8)
    (n, steps, in, hidden, last, a, x_pitch, w[0].bytes, w[1].bytes, bias[0], bias[1], m[0], shift[0], m[1], shift[1],
     fraction, theirs, y_pitch, scratch);
    scratch[4 * hidden] = 12345;
    FAST(gru_s8)
    (n, steps, in, hidden, last, a, x_pitch, w[0].bytes, w[1].bytes, bias[0], bias[1], m[0], shift[0], m[1], shift[1],
     fraction, ours, y_pitch, scratch);
    check_same("gru_s8");
    CHECK(scratch[4 * hidden] == 12345);
}

/* An LSTM of so many units that the stack has room for the gates of no window. */
static void wide_layer(void) {
    const size_t hidden = 8200;
    int8_t *w_hh = (int8_t *)calloc(4 * hidden, hidden), *w_ih = (int8_t *)malloc(4 * hidden);
    int32_t *sums = (int32_t *)calloc(4 * hidden, 4), *by = (int32_t *)malloc(16 * hidden);
    int8_t *bits = (int8_t *)malloc(4 * hidden);
    CHECK(w_hh != NULL && w_ih != NULL && sums != NULL && by != NULL && bits != NULL);
    for (size_t i = 0; i < 4 * hidden; i++) {
        w_ih[i] = (int8_t)(noise(&state) * 127.0f);
        w_hh[4 * hidden * (i / 4) + i % 4] = w_ih[i];
        by[i] = 1 << 30;
        bits[i] = 8;
    }
    fill(a, 3, LIMIT);
    clear();
    TSAD_K(lstm_s8)
    (2, 2, 1, hidden, 1, a, 1, w_ih, w_hh, sums, sums, by, bits, by, bits, 10, 12, theirs, hidden, scratch);
    FAST(lstm_s8)(2, 2, 1, hidden, 1, a, 1, w_ih, w_hh, sums, sums, by, bits, by, bits, 10, 12, ours, hidden, scratch);
    check_same("lstm_s8, wide");
    free(w_hh);
    free(w_ih);
    free(sums);
    free(by);
    free(bits);
}

/* Both orders of either matrix; sizes up to beyond a block of rows, of columns and of what is summed. */
static void products(size_t rows, size_t in, size_t out) {
    const size_t n = between(1, 2), count = between(1, 2), gap = between(0, 2);
    const size_t as[3] = {rows * in, between(0, 1) ? in : 1, 0}, bs[3] = {in * out, between(0, 1) ? out : 1, 0};
    const size_t a_strides[3] = {as[0], as[1], as[1] == 1 && in > 1 ? rows : 1};
    const size_t b_strides[3] = {bs[0], bs[1], bs[1] == 1 && out > 1 ? in + gap : 1};
    int sum_shift = 0;
    while (in >> (sum_shift + 1) != 0)
        sum_shift++;
    fill(a, ROOM, LIMIT);
    fill(b, ROOM, LIMIT);
    clear();
    const int32_t times = (int32_t)between(0, 0x7fffffff), limit = between(0, 1) ? LIMIT : 100;
    const int by = (int)between(1, 12);
    TSAD_K(bmm_s16)
    (n, count, rows, in, out, a, 7, a_strides, b, 9, b_strides, sum_shift, times, by, limit, theirs,
     count * rows * out + 1);
    FAST(bmm_s16)
    (n, count, rows, in, out, a, 7, a_strides, b, 9, b_strides, sum_shift, times, by, limit, ours,
     count * rows * out + 1);
    check_same("bmm_s16");
}

/* So many rows of a few elements that some shares are whole numbers. */
static void softmax(size_t reduced) {
    const size_t n = between(1, 2), outer = between(1, reduced < 6 ? 200 : 4),
                 inner = between(0, 3) ? 1 : between(2, 4);
    const size_t size = outer * reduced * inner, pitch = size + between(0, 3);
    const int32_t times = (int32_t)between(0, 0x7fffffff);
    const int by = (int)between(1, 20);
    fill(a, n * pitch, between(0, 1) ? LIMIT : 200);
    clear();
    memcpy(ours, a, n * pitch * sizeof *a);
    memcpy(theirs, a, n * pitch * sizeof *a);
    TSAD_K(softmax_s16)(n, outer, reduced, inner, times, by, a, pitch, theirs, pitch);
    FAST(softmax_s16)(n, outer, reduced, inner, times, by, ours, pitch, ours, pitch);
    check_same("softmax_s16");
}

/* Rows of any size, down to zeros; a divisor below a square, at it and above. */
static void normalise(size_t width) {
    const size_t n = between(1, 2), rows = between(1, 6), pitch = rows * width + between(0, 3);
    const int centred = (int)between(0, 1);
    const uint64_t most = (uint64_t)width * width << 30, eps = between(0, 1) ? 1 + between(0, 1000) : most;
    int magnitude = 0;
    while (((uint64_t)32766 * 32766 << 2 * magnitude) < (uint64_t)(width - (size_t)centred) << 30)
        magnitude++;
    fill(a, n * pitch, (int32_t)between(0, 1) ? LIMIT : (int32_t)between(0, 100));
    clear();
    memcpy(ours, a, n * pitch * sizeof *a);
    memcpy(theirs, a, n * pitch * sizeof *a);
    TSAD_K(normalise_s16)(n, rows, width, centred, eps, magnitude, a, pitch, theirs, pitch);
    FAST(normalise_s16)(n, rows, width, centred, eps, magnitude, ours, pitch, ours, pitch);
    check_same("normalise_s16");
}

/* Steps of 1, of 0 and others; the sum takes the place of a dense operand. */
static void pairs(void) {
    const size_t d[3] = {between(1, 3), between(1, 4), between(1, 40)}, count = d[0] * d[1] * d[2];
    const size_t n = between(1, 2), dense[3] = {d[1] * d[2], d[2], 1};
    const size_t strides[3] = {between(0, 5), between(0, 5), between(0, 3)};
    const int32_t left = (int32_t)between(0, 0x7fffffff), right = -(int32_t)between(0, 0x7fffffff);
    const int32_t limit = between(0, 1) ? LIMIT : 100;
    const int by = (int)between(1, 20);
    fill(a, n * count, LIMIT);
    fill(b, 300 + n, LIMIT);
    clear();
    memcpy(ours, a, n * count * sizeof *a);
    TSAD_K(add_s16)(n, d, a, count, dense, b, 1, strides, left, right, by, limit, theirs, count);
    FAST(add_s16)(n, d, ours, count, dense, b, 1, strides, left, right, by, limit, ours, count);
    check_same("add_s16");
    TSAD_K(mul_s16)(n, d, b, 1, strides, a, count, dense, left, by, limit, theirs, count);
    FAST(mul_s16)(n, d, b, 1, strides, a, count, dense, left, by, limit, ours, count);
    check_same("mul_s16");
}

int main(void) {
    if (!runs_here())
        return SKIPPED;
    for (size_t k = 0; k < CASES; k++) {
        fill_weights();
        next_rows();
        overlapping();
        recurrent();
        products(between(1, 9), between(1, 40), between(1, 50));
        softmax(between(1, between(0, 1) ? 5 : 120));
        normalise(between(1, 100));
        pairs();
    }
    for (size_t k = 0; k < 200; k++)
        deep();
    for (size_t k = 0; k < 8; k++) {
        products(between(120, 140), between(1, 9), between(15, 18));
        products(between(1, 4), between(500, 1100), between(1, 18));
        softmax(between(1000, 1024));
        normalise(between(500, 512));
    }
    wide_layer();
    return check_result();
}
