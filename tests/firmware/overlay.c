/*
 * overlay.c - firmware that has an overlay's kernels beside the portable ones. Asked by a byte on its line it compares
 * them, bit for bit, on shapes drawn from a seed, or runs the dense layers whose cycles are counted (main).
 */
#include "board.h"
#include "kernels.h"

#include <string.h>

enum { CASES = 400, ROOM = 128 * 128, RESULTS = 6000 };
static float x[ROOM], w[ROOM], v[ROOM], b[ROOM], y[2][RESULTS], scratch[2][200];
static uint32_t drawn = 1;

#define PORTABLE(name) extern __typeof__(TSAD_K(name)) tsad_##name##_portable
PORTABLE(add_lines_f32);
PORTABLE(linear_f32);
PORTABLE(conv1d_f32);
PORTABLE(bmm_f32);
PORTABLE(lstm_f32);
PORTABLE(gru_f32);

/* Either of two kernels of the same name, that of the overlay first. */
#define EITHER(overlay, name) ((overlay) ? TSAD_K(name) : tsad_##name##_portable)

static uint32_t draw(void) { /* xorshift */
    drawn ^= drawn << 13;
    drawn ^= drawn >> 17;
    return drawn ^= drawn << 5;
}

/* From least to most. */
static size_t between(size_t least, size_t most) { return least + draw() % (most - least + 1); }

/* Numbers of all magnitudes, so that the order of a sum shows in its bits; some are zero, some denormal. */
static void fill(float *to) {
    for (size_t i = 0; i < ROOM; i++) {
        const float value = (float)(int32_t)draw() / 2147483648.0f;
        const uint32_t kind = draw() % 16;
        to[i] = kind == 0 ? 0.0f : kind == 1 ? value * 1e-39f : kind < 6 ? value * 1e-3f : value;
    }
}

static void lines(int overlay) {
    const size_t in = between(1, 80), out = between(1, 40), row = out + between(0, 3), step = between(1, 3);
    const size_t count = between(1, 16);
    const float *bias = draw() % 2 ? b : NULL;
    const float *from[16];
    float *to[16];
    for (size_t l = 0; l < count; l++) {
        from[l] = x + l * between(0, 40);
        to[l] = y[overlay] + l * (out + 1);
    }
    EITHER(overlay, add_lines_f32)(count, in, out, from, step, w, row, bias, to);
}

static void linear(int overlay) {
    const size_t in = between(1, 40), out = between(1, 40), rows = between(1, 20), n = between(1, 3);
    const enum tsad_activation act = (enum tsad_activation)between(0, 3);
    const float *bias = draw() % 2 ? b : NULL;
    EITHER(overlay, linear_f32)(n, rows, in, out, x, in, w, bias, act, y[overlay], rows * out + 3);
}

static void conv1d(int overlay) {
    const size_t groups = between(1, 3), in = groups * between(1, 6), out = groups * between(1, 9),
                 taps = between(1, 5);
    const size_t dilation = between(1, 3), stride = between(1, 2), before = between(0, 6), steps = between(13, 40);
    const size_t dense[3] = {steps * in, in, 1}, across[3] = {steps * in, 1, steps};
    const size_t out_steps = (before + steps - dilation * (taps - 1) - 1) / stride + 1;
    const size_t n = between(1, 2), rows = between(1, 2), *xs = draw() % 2 ? dense : across;
    EITHER(overlay, conv1d_f32)
    (n, rows, steps, in, out_steps, out, taps, stride, dilation, before, groups, x, in, xs, w, draw() % 2 ? b : NULL,
     TSAD_ACT_RELU, y[overlay], rows * out_steps * out + 3);
}

static void bmm(int overlay) {
    const size_t rows = between(1, 20), in = between(1, 40), out = between(1, 40), count = between(1, 2);
    const size_t dense[3] = {rows * in, in, 1}, across[3] = {rows * in, 1, rows}, bs[2] = {in * out, out + 2};
    const size_t n = between(1, 2), *as = draw() % 2 ? dense : across;
    EITHER(overlay, bmm_f32)(n, count, rows, in, out, x, 5, as, w, 7, bs, y[overlay], count * rows * out + 1);
}

static void lstm(int overlay) {
    const size_t steps = between(1, 6), in = between(1, 20), hidden = between(1, 20), n = between(1, 2);
    const int last = (int)between(0, 1);
    EITHER(overlay, lstm_f32)
    (n, steps, in, hidden, last, x, in, w, v, b, NULL, NULL, y[overlay], steps * hidden + 1, scratch[overlay]);
}

static void gru(int overlay) {
    const size_t steps = between(1, 6), in = between(1, 20), hidden = between(1, 20), n = between(1, 2);
    const int last = (int)between(0, 1);
    const float *second = draw() % 2 ? b + 60 : NULL;
    EITHER(overlay, gru_f32)
    (n, steps, in, hidden, last, x, in, w, v, b, second, NULL, y[overlay], steps * hidden + 1, scratch[overlay]);
}

static void say(const char *text) {
    while (*text != '\0')
        board_write((unsigned char)*text++);
}

/* Says whether both make the same of CASES shapes, and leave the same alone. */
static void compare(const char *name, void (*run)(int overlay)) {
    int same = 1;
    for (size_t k = 0; k < CASES && same; k++) {
        if (k % 50 == 0) { /* it takes longer than a case does */
            fill(x);
            fill(w);
            fill(v);
            fill(b);
        }
        const uint32_t shape = drawn;
        for (int overlay = 0; overlay < 2; overlay++) {
            memcpy(y[overlay], v, sizeof y[overlay]);
            drawn = shape;
            run(overlay);
        }
        const unsigned char *ours = (const unsigned char *)y[1], *theirs = (const unsigned char *)y[0];
        for (size_t i = 0; i < sizeof *y; i++)
            same &= ours[i] == theirs[i];
    }
    say(name);
    say(same ? " same" : " differs");
    board_write(',');
}

typedef __typeof__(TSAD_K(linear_f32)) layer;
void square(layer run);
void gan(layer run);
void counted(void);

/* Counting begins at one of these layers, and ends here. */
void __attribute__((noipa)) counted(void) { __asm__ volatile(""); }

void __attribute__((noipa)) square(layer run) { run(1, 1, 128, 128, x, 0, w, b, TSAD_ACT_NONE, y[0], 0); }

/* The four layers of the model `gan`, window 50, 5 channels: 11,880 multiply-adds. */
void __attribute__((noipa)) gan(layer run) {
    run(1, 1, 250, 40, x, 0, w, b, TSAD_ACT_NONE, y[0], 0);
    run(1, 1, 40, 16, y[0], 0, w, b, TSAD_ACT_NONE, y[1], 0);
    run(1, 1, 16, 40, y[1], 0, w, b, TSAD_ACT_NONE, y[0], 0);
    run(1, 1, 40, 15, y[0], 0, w, b, TSAD_ACT_NONE, y[1], 0);
}

/* 'c': compare; 's', 'g': a layer by the overlay; 'S', 'G': the same by the portable kernels. A line is the answer. */
int main(void) {
    board_start();
    for (;;) {
        switch (board_read()) {
        case 'c':
            compare("lines", lines);
            compare("linear", linear);
            compare("conv1d", conv1d);
            compare("bmm", bmm);
            compare("lstm", lstm);
            compare("gru", gru);
            break;
        case 's':
            square(TSAD_K(linear_f32));
            break;
        case 'S':
            square(tsad_linear_f32_portable);
            break;
        case 'g':
            gan(TSAD_K(linear_f32));
            break;
        case 'G':
            gan(tsad_linear_f32_portable);
            break;
        }
        counted();
        board_write('\n');
    }
}
