/*
 * The kernels for AVX2 or AVX-512 (fast.h) beside those for every machine, in one process: all but float sums give the
 * same bits, and these are as close to the exact ones as the portable ones are; a line's sum, and a window's score, is
 * the same in any company, and for AVX-512 that of AVX2.
 */
#include "cells.h"
#include "kernels.h"

#include "check.h"
#include "fast.h"

#include <math.h>
#include <stdlib.h>

enum { CASES = 3000, ROOM = 300 * 210, LINES = 16, WIDE = 210 };

static float x[ROOM], w[ROOM], b[WIDE], y[LINES][WIDE + 2], z[LINES][WIDE + 2];
static uint32_t state = 1;

DECLARE(add_lines_f32);
DECLARE(add_panels_s8);
DECLARE(linear_s8_s16);
DECLARE(linear_s8_f32);
DECLARE(settle_s16);
DECLARE(settle_f32);
DECLARE(lstm_f32);
DECLARE(gru_f32);
DECLARE(exp_f32);
DECLARE(tanh_f32);
DECLARE(sigmoid_f32);
DECLARE(erf_f32);
DECLARE(log_f32);
DECLARE(softmax_f32);
DECLARE(normalise_f32);
DECLARE(sum_f32);
DECLARE(linear_f32);
DECLARE(bmm_f32);
DECLARE(copy_f32);
DECLARE(lstm_cell_f32);
DECLARE(gru_cell_f32);

static size_t between(size_t least, size_t most) {
    noise(&state);
    return least + state % (most - least + 1);
}

static void fill(float *to, size_t count) {
    for (size_t i = 0; i < count; i++)
        to[i] = noise(&state);
}

/* Sums of some lines, and of each line alone. What stands beside them must stay. */
static void lines(void) {
    const size_t in = between(1, 300), out = between(1, between(0, 1) ? WIDE : 40),
                 row = in * (out + 3) < ROOM ? out + between(0, 3) : out;
    const size_t count = between(1, LINES), step = between(1, 3), most = in * step + 40 < ROOM ? in : ROOM / 4;
    const float *from[LINES], *const bias = between(0, 1) ? b : NULL;
    float *to[LINES], *one[LINES];
    fill(x, ROOM);
    fill(w, ROOM);
    fill(b, WIDE);
    for (size_t l = 0; l < count; l++) {
        from[l] = x + between(0, 40);
        fill(y[l], WIDE + 2);
        memcpy(z[l], y[l], sizeof *y);
        to[l] = y[l] + 1;
        one[l] = z[l] + 1;
    }
    float start[LINES][WIDE + 2];
    memcpy(start, y, sizeof y);
    FAST(add_lines_f32)(count, most, out, from, step, w, row, bias, to);
    for (size_t l = 0; l < count; l++) {
        for (int avx2 = 0; avx2 <= 1; avx2++) {
            memcpy(z[l], start[l], sizeof *z);
            (avx2 ? AVX2(add_lines_f32) : FAST(add_lines_f32))(1, most, out, from + l, step, w, row, bias, one + l);
            CHECK(memcmp(y[l], z[l], sizeof *y) == 0);
        }
        CHECK(y[l][0] == start[l][0] && memcmp(y[l] + 1 + out, start[l] + 1 + out, 4 * (WIDE + 1 - out)) == 0);
        for (size_t o = 0; o < out; o++) {
            double exact = (double)(bias != NULL ? b[o] : start[l][o + 1]), terms = fabs(exact);
            for (size_t i = 0; i < most; i++) {
                const double term = (double)from[l][i * step] * (double)w[i * row + o];
                exact += term;
                terms += fabs(term);
            }
            /* So many roundings at most, each of half a unit of 2^-23. */
            CHECK(fabs((double)to[l][o] - exact) <= terms * (double)(most + 2) * 0x1p-24);
        }
    }
}

static void panels(void) {
    int16_t values[401];
    int8_t weights[8 * 4 * 400];
    int32_t bias[32], ours[33], theirs[33];
    const size_t count = between(1, 8), in = between(1, 400);
    for (size_t i = 0; i < 401; i++)
        values[i] = (int16_t)(noise(&state) * 32767.0f);
    for (size_t i = 0; i < sizeof weights; i++)
        weights[i] = (int8_t)(noise(&state) * 127.0f);
    for (size_t i = 0; i < 32; i++)
        bias[i] = (int32_t)(noise(&state) * 1e6f);
    memset(ours, 1, sizeof ours);
    memset(theirs, 1, sizeof theirs);
    TSAD_K(add_panels_s8)(count, in, values + 1, weights, bias, theirs);
    FAST(add_panels_s8)(count, in, values + 1, weights, bias, ours);
    CHECK(memcmp(ours, theirs, sizeof ours) == 0);
}

/* Rows of windows, among them numbers of lines and of outputs that fill no tile. */
static void dense(void) {
    enum { MOST = 11, IN = 60, OUT = 70 };
    int16_t values[MOST * IN + 20], ours[MOST * OUT + 20] = {0}, theirs[MOST * OUT + 20] = {0};
    int8_t weights[IN * OUT], shift[OUT];
    int32_t bias[OUT], m[OUT];
    float scale[OUT], got[MOST * OUT + 20] = {0}, wanted[MOST * OUT + 20] = {0};
    const size_t n = between(1, 4), rows = between(1, MOST / n), in = between(1, IN), out = between(1, OUT);
    const size_t x_pitch = rows * in + between(0, 4), y_pitch = rows * out + between(0, 4);
    for (size_t i = 0; i < MOST * IN + 20; i++)
        values[i] = (int16_t)(noise(&state) * 32767.0f);
    for (size_t i = 0; i < IN * OUT; i++)
        weights[i] = (int8_t)(noise(&state) * 127.0f);
    for (size_t o = 0; o < OUT; o++) {
        bias[o] = (int32_t)(noise(&state) * 1e6f);
        m[o] = (int32_t)between(0, 0x7fffffff);
        shift[o] = (int8_t)between(1, 12);
        scale[o] = noise(&state);
    }
    TSAD_K(linear_s8_s16)
    (n, rows, in, out, values, x_pitch, weights, bias, m, shift, TSAD_ACT_RELU, 9, 30000, theirs, y_pitch);
    FAST(linear_s8_s16)
    (n, rows, in, out, values, x_pitch, weights, bias, m, shift, TSAD_ACT_RELU, 9, 30000, ours, y_pitch);
    CHECK(memcmp(ours, theirs, sizeof ours) == 0);
    TSAD_K(linear_s8_f32)(n, rows, in, out, values, x_pitch, weights, bias, scale, TSAD_ACT_NONE, wanted, y_pitch);
    FAST(linear_s8_f32)(n, rows, in, out, values, x_pitch, weights, bias, scale, TSAD_ACT_NONE, got, y_pitch);
    CHECK(same_bits(got, wanted, MOST * OUT + 20));
}

/* Sums of all sizes, up to where a sigmoid ends and the limit is met, and beyond. */
static void settled(void) {
    enum { MOST = 50 };
    int32_t acc[MOST], m[MOST];
    int8_t shift[MOST];
    int16_t ours[MOST + 1] = {0}, theirs[MOST + 1] = {0};
    float scale[MOST], got[MOST + 1] = {0}, wanted[MOST + 1] = {0};
    const size_t count = between(1, MOST);
    const int fraction = (int)between(6, 14);
    for (size_t r = 0; r < count; r++) {
        acc[r] = (int32_t)(noise(&state) * 2e9f) >> between(0, 24);
        m[r] = (int32_t)between(0, 0x7fffffff);
        shift[r] = (int8_t)between(1, 31);
        scale[r] = noise(&state) * 1e-4f;
    }
    for (int act = TSAD_ACT_NONE; act <= TSAD_ACT_SIGMOID; act++) {
        const enum tsad_activation chosen = (enum tsad_activation)act;
        const int32_t limit = (int32_t)between(1, 32767);
        TSAD_K(settle_s16)(count, acc, m, shift, chosen, fraction, limit, theirs);
        FAST(settle_s16)(count, acc, m, shift, chosen, fraction, limit, ours);
        CHECK(memcmp(ours, theirs, sizeof ours) == 0);
        TSAD_K(settle_f32)(count, acc, scale, chosen, wanted);
        FAST(settle_f32)(count, acc, scale, chosen, got);
        CHECK(same_bits(got, wanted, MOST + 1));
    }
}

typedef __typeof__(TSAD_K(exp_f32)) unary;

/* The same bits, or NaN of any kind. */
static void alike(size_t count, const float *got, const float *wanted) {
    for (size_t i = 0; i < count; i++)
        CHECK(memcmp(got + i, wanted + i, 4) == 0 || (isnan(got[i]) && isnan(wanted[i])));
}

/* Over floats of every exponent: the errors that tests of the portable functions measure are those of both. */
static void sweep(unary ours, unary theirs, uint32_t apart) {
    float values[4096], got[4096], wanted[4096];
    for (uint64_t bits = 0; bits < UINT64_C(0x100000000);) {
        for (size_t i = 0; i < 4096; i++, bits += apart) {
            const uint32_t pattern = (uint32_t)bits;
            memcpy(values + i, &pattern, 4);
        }
        ours(1, 4096, values, 0, got, 0);
        theirs(1, 4096, values, 0, wanted, 0);
        alike(4096, got, wanted);
    }
}

/* The same for what layers make of their sums: activations, and powers of what is not above zero. */
static void sweep_layers(uint32_t apart) {
    static const float one[1] = {1.0f};
    float values[4096], got[4096], wanted[4096];
    for (uint64_t bits = 0; bits < UINT64_C(0x100000000);) {
        for (size_t i = 0; i < 4096; i++, bits += apart) {
            const uint32_t pattern = (uint32_t)bits;
            memcpy(values + i, &pattern, 4);
        }
        for (int act = TSAD_ACT_TANH; act <= TSAD_ACT_SIGMOID; act++) {
            FAST(linear_f32)(1, 1, 1, 4096, one, 0, values, NULL, (enum tsad_activation)act, got, 0);
            TSAD_K(linear_f32)(1, 1, 1, 4096, one, 0, values, NULL, (enum tsad_activation)act, wanted, 0);
            alike(4096, got, wanted);
        }
        values[0] = 0.0f; /* the largest one, where the others are negative */
        FAST(softmax_f32)(1, 1, 4096, 1, 0, values, 0, got, 0);
        TSAD_K(softmax_f32)(1, 1, 4096, 1, 0, values, 0, wanted, 0);
        alike(4096, got, wanted);
    }
}

/* Ends of recurrent steps, the state going on where it is. */
static void cells(void) {
    enum { MOST = 80 };
    float gates[2][6 * MOST], cell[2][MOST], h[2][MOST];
    const size_t hidden = between(1, MOST);
    fill(gates[0], 6 * MOST);
    fill(cell[0], MOST);
    for (size_t i = 0; i < 6 * MOST; i++)
        gates[0][i] *= 6.0f;
    memcpy(gates[1], gates[0], sizeof gates[0]);
    memcpy(cell[1], cell[0], sizeof cell[0]);
    memset(h, 0, sizeof h);
    TSAD_K(lstm_cell_f32)(hidden, gates[0], cell[0], cell[0], h[0]);
    FAST(lstm_cell_f32)(hidden, gates[1], cell[1], cell[1], h[1]);
    CHECK(same_bits(cell[0], cell[1], MOST) && same_bits(h[0], h[1], MOST));
    fill(gates[0], 6 * MOST);
    memcpy(gates[1], gates[0], sizeof gates[0]);
    TSAD_K(gru_cell_f32)(hidden, gates[0], gates[0] + 3 * hidden, h[0], h[0]);
    FAST(gru_cell_f32)(hidden, gates[1], gates[1] + 3 * hidden, h[1], h[1]);
    CHECK(same_bits(h[0], h[1], MOST));
}

/* Moves between any strides, squares and parts of squares among them. What stands between must stay. */
static void moves(void) {
    enum { SIDE = 20, SPACE = 3 * SIDE * (SIDE + 2) };
    float got[SPACE], wanted[SPACE];
    const size_t d[3] = {between(1, 3), between(1, SIDE), between(1, SIDE)};
    const size_t wide = SIDE + between(0, 2), each = SIDE * wide;
    const size_t across[3] = {each, 1, wide}, along[3] = {each, wide, 1};
    const int turned = (int)between(0, 2);
    fill(x, SPACE);
    fill(got, SPACE);
    memcpy(wanted, got, sizeof got);
    TSAD_K(copy_f32)(1, d, x, 0, turned == 1 ? across : along, wanted, 0, turned == 2 ? across : along);
    FAST(copy_f32)(1, d, x, 0, turned == 1 ? across : along, got, 0, turned == 2 ? across : along);
    CHECK(same_bits(got, wanted, SPACE));
}

/* Products of many rows, and of each row alone. */
static void products(void) {
    enum { MOST = 150, OUT = 270 };
    static float together[2 * MOST * OUT], portable[2 * MOST * OUT], alone[OUT];
    const size_t count = between(1, 2), many = between(1, MOST), in = between(1, 30);
    const size_t out = between(0, 49) ? between(1, 20) : between(250, OUT);
    const size_t as[3] = {many * in, in, 1}, bs[2] = {in * out, out};
    fill(x, count * many * in);
    fill(w, count * in * out);
    FAST(bmm_f32)(1, count, many, in, out, x, 0, as, w, 0, bs, together, 0);
    TSAD_K(bmm_f32)(1, count, many, in, out, x, 0, as, w, 0, bs, portable, 0);
    for (size_t i = 0; i < count * many * out; i++)
        CHECK(fabsf(together[i] - portable[i]) < 1e-5f);
    for (size_t line = 0; line < count * many; line++) {
        AVX2(bmm_f32)(1, 1, 1, in, out, x + line * in, 0, as, w + line / many * in * out, 0, bs, alone, 0);
        CHECK(same_bits(alone, together + line * out, out));
    }
}

/* Other sums keep their order. */
static void rows(void) {
    const size_t outer = between(1, 5), reduced = between(1, 60), inner = between(1, 5);
    fill(x, outer * reduced * inner);
    TSAD_K(softmax_f32)(1, outer, reduced, inner, 0, x, 0, w, 0);
    FAST(softmax_f32)(1, outer, reduced, inner, 0, x, 0, w + ROOM / 2, 0);
    CHECK(same_bits(w, w + ROOM / 2, outer * reduced * inner));
    const size_t n = between(1, 3), many = between(1, 20), pitch = many * reduced + between(0, 2);
    const int centred = (int)between(0, 1);
    const float *const gain = between(0, 1) ? b : NULL, *const offset = between(0, 1) ? b + 3 : NULL;
    fill(x, n * pitch);
    fill(b, WIDE);
    TSAD_K(normalise_f32)(n, many, reduced, centred, 1e-5f, x, pitch, gain, offset, w, pitch);
    FAST(normalise_f32)(n, many, reduced, centred, 1e-5f, x, pitch, gain, offset, w + ROOM / 2, pitch);
    for (size_t window = 0; window < n; window++)
        CHECK(same_bits(w + window * pitch, w + ROOM / 2 + window * pitch, many * reduced));
    fill(x, outer * reduced * inner);
    TSAD_K(sum_f32)(1, outer, reduced, inner, 0.5f, x, 0, w, 0);
    FAST(sum_f32)(1, outer, reduced, inner, 0.5f, x, 0, w + ROOM / 2, 0);
    CHECK(same_bits(w, w + ROOM / 2, outer * inner));
}

/* Recurrent layers: but for rounding what the portable kernels give, and of many windows AVX2's bits of each alone. */
static void recurrent(void) {
    enum { WINDOWS = 20, MOST = 3 * 7 };
    float ours[WINDOWS * MOST], theirs[WINDOWS * MOST], alone[MOST], scratch[7 * 7];
    const size_t steps = between(1, 3), in = between(1, 5), hidden = between(1, 7), n = between(1, WINDOWS);
    const int last = (int)between(0, 1);
    const size_t pitch = last ? hidden : steps * hidden;
    const float *const bias = between(0, 1) ? b : NULL, *const h0 = between(0, 1) ? b + 30 : NULL,
                       *const w_hh = w + 200;
    fill(x, ROOM);
    fill(w, ROOM);
    fill(b, WIDE);
    FAST(lstm_f32)(n, steps, in, hidden, last, x, in, w, w_hh, bias, h0, b + 40, ours, pitch, scratch);
    TSAD_K(lstm_f32)(n, steps, in, hidden, last, x, in, w, w_hh, bias, h0, b + 40, theirs, pitch, scratch);
    for (size_t i = 0; i < n * pitch; i++)
        CHECK(fabsf(ours[i] - theirs[i]) < 1e-5f);
    for (size_t l = 0; l < n; l++) {
        AVX2(lstm_f32)(1, steps, in, hidden, last, x + l * in, 0, w, w_hh, bias, h0, b + 40, alone, 0, scratch);
        CHECK(same_bits(alone, ours + l * pitch, pitch));
    }
    FAST(gru_f32)(n, steps, in, hidden, last, x, in, w, w_hh, bias, b + 40, h0, ours, pitch, scratch);
    TSAD_K(gru_f32)(n, steps, in, hidden, last, x, in, w, w_hh, bias, b + 40, h0, theirs, pitch, scratch);
    for (size_t i = 0; i < n * pitch; i++)
        CHECK(fabsf(ours[i] - theirs[i]) < 1e-5f);
    for (size_t l = 0; l < n; l++) {
        AVX2(gru_f32)(1, steps, in, hidden, last, x + l * in, 0, w, w_hh, bias, b + 40, h0, alone, 0, scratch);
        CHECK(same_bits(alone, ours + l * pitch, pitch));
    }
}

/* So many units that the stack has no room for two windows, or for one. */
static void wide_layers(void) {
    for (size_t hidden = 2000; hidden <= 3300; hidden += 1300) {
        float *w_hh = (float *)calloc(4 * hidden * hidden, sizeof *w_hh),
              *room = (float *)malloc(15 * hidden * sizeof *room);
        CHECK(w_hh != NULL && room != NULL);
        float *ours = room + 7 * hidden, *theirs = room + 11 * hidden;
        fill(x, 4 * hidden);
        w_hh[3] = w_hh[hidden * 5 + 4] = 0.5f;
        FAST(lstm_f32)(2, 2, 1, hidden, 0, x, 1, x, w_hh, x + 7, NULL, NULL, ours, 2 * hidden, room);
        TSAD_K(lstm_f32)(2, 2, 1, hidden, 0, x, 1, x, w_hh, x + 7, NULL, NULL, theirs, 2 * hidden, room);
        for (size_t i = 0; i < 4 * hidden; i++)
            CHECK(fabsf(ours[i] - theirs[i]) < 1e-5f);
        FAST(gru_f32)(2, 2, 1, hidden, 0, x, 1, x, w_hh, x + 7, NULL, NULL, ours, 2 * hidden, room);
        TSAD_K(gru_f32)(2, 2, 1, hidden, 0, x, 1, x, w_hh, x + 7, NULL, NULL, theirs, 2 * hidden, room);
        for (size_t i = 0; i < 4 * hidden; i++)
            CHECK(fabsf(ours[i] - theirs[i]) < 1e-5f);
        free(w_hh);
        free(room);
    }
}

int main(int argc, char **argv) {
    const uint32_t apart = stride(argc, argv, 2039);
    if (!runs_here())
        return SKIPPED;
    for (size_t k = 0; k < CASES; k++) {
        lines();
        panels();
        dense();
        settled();
        rows();
        cells();
        moves();
        products();
        recurrent();
    }
    wide_layers();
    sweep_layers(apart);
    sweep(FAST(exp_f32), TSAD_K(exp_f32), apart);
    sweep(FAST(tanh_f32), TSAD_K(tanh_f32), apart);
    sweep(FAST(sigmoid_f32), TSAD_K(sigmoid_f32), apart);
    sweep(FAST(erf_f32), TSAD_K(erf_f32), apart);
    sweep(FAST(log_f32), TSAD_K(log_f32), apart);
    return check_result();
}
