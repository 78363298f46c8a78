/*
 * What streams keep: the last samples in order, and windows under way whose rows are those of a layer that sees each
 * window alone, to the bit.
 */
#include "check.h"
#include "kernels.h"

enum { STEPS = 50, SAMPLES = 70, IN = 3, HIDDEN = 5, GATES = 4 * HIDDEN, ROOM = (6 * 40 + 6) * 8 * HIDDEN };

static uint32_t seed = 1;

static void fill(size_t count, float *values) {
    for (size_t i = 0; i < count; i++)
        values[i] = noise(&seed);
}

static void keeps(void) {
    float y[3 * 2] = {0};
    int16_t z[2] = {0};
    for (int t = 1; t <= 4; t++) {
        const float x[2] = {(float)t, (float)-t};
        const int16_t q = (int16_t)t;
        TSAD_K(keep_f32)(1, 3, 2, x, 2, y, 6);
        TSAD_K(keep_s16)(1, 2, 1, &q, 1, z, 2);
    }
    const float want[6] = {2, -2, 3, -3, 4, -4};
    CHECK(same_bits(y, want, 6));
    CHECK(z[0] == 3 && z[1] == 4);
}

/* One layer: what all it is given is, and is not, there. */
typedef struct layer {
    size_t in;
    const float *w, *w_hh, *b, *b_hh, *h0, *c0;
} layer;

/* Every step of one window. */
static void alone(int is_lstm, const layer *k, size_t steps, const float *x, float *y) {
    static float scratch[7 * HIDDEN];
    if (is_lstm)
        TSAD_K(lstm_f32)(1, steps, k->in, HIDDEN, 0, x, 0, k->w, k->w_hh, k->b, k->h0, k->c0, y, 0, scratch);
    else
        TSAD_K(gru_f32)(1, steps, k->in, HIDDEN, 0, x, 0, k->w, k->w_hh, k->b, k->b_hh, k->h0, y, 0, scratch);
}

static void together(int is_lstm, const layer *k, int same, const float *x, float *h, float *c) {
    static float scratch[ROOM];
    if (is_lstm)
        TSAD_K(lstm_flight_f32)
    (1, STEPS, same, k->in, HIDDEN, x, 0, k->w, k->w_hh, k->b, k->h0, k->c0, h, 0, c, scratch);
    else TSAD_K(gru_flight_f32)(1, STEPS, same, k->in, HIDDEN, x, 0, k->w, k->w_hh, k->b, k->b_hh, k->h0, h, 0,
                                scratch);
}

/* Two layers, the second one on the first. */
static void layers(int is_lstm, int with) {
    static float w[4][HIDDEN * GATES], b[4][GATES], state[HIDDEN], cell[HIDDEN];
    static float x[SAMPLES * IN], h[2][STEPS * HIDDEN], c[2][STEPS * HIDDEN], want[2][STEPS * HIDDEN];
    for (int i = 0; i < 4; i++) {
        fill(HIDDEN * GATES, w[i]);
        fill(GATES, b[i]);
    }
    fill(HIDDEN, state);
    fill(HIDDEN, cell);
    fill(SAMPLES * IN, x);
    memset(h, 0, sizeof h);
    memset(c, 0, sizeof c);
    const layer first = {IN, w[0], w[1], with ? b[0] : NULL, with ? b[1] : NULL, with ? state : NULL, NULL};
    const layer second = {HIDDEN, w[2], w[3], with ? b[2] : NULL, with ? b[3] : NULL, NULL, with ? cell : NULL};
    for (size_t t = 0; t < SAMPLES; t++) {
        together(is_lstm, &first, 1, x + t * IN, h[0], c[0]);
        together(is_lstm, &second, 0, h[0], h[1], c[1]);
        for (size_t r = 0; r < STEPS && r <= t; r++) { /* row r began r samples ago, and has taken r + 1 steps */
            alone(is_lstm, &first, r + 1, x + (t - r) * IN, want[0]);
            alone(is_lstm, &second, r + 1, want[0], want[1]);
            for (int i = 0; i < 2; i++)
                CHECK(same_bits(h[i] + r * HIDDEN, want[i] + r * HIDDEN, HIDDEN));
        }
    }
}

/* A dense layer on the last STEPS samples, with blocks that end and windows that start anywhere in them. */
static void whole_windows(int with, enum tsad_activation act) {
    enum { OUT = 19, LONG = 3 * SAMPLES, KEPT = 2 + 32 * IN + (STEPS - 1) * OUT };
    static float w[STEPS * IN * OUT], b[OUT], x[LONG * IN], kept[KEPT];
    fill(STEPS * IN * OUT, w);
    fill(OUT, b);
    fill(LONG * IN, x);
    memset(kept, 0, sizeof kept);
    for (size_t t = 0; t < LONG; t++) {
        float y[OUT], want[OUT];
        TSAD_K(linear_flight_f32)(1, STEPS, IN, OUT, x + t * IN, IN, w, with ? b : NULL, act, y, OUT, kept);
        if (t + 1 < STEPS)
            continue;
        TSAD_K(linear_f32)
        (1, 1, STEPS * IN, OUT, x + (t + 1 - STEPS) * IN, 0, w, with ? b : NULL, act, want, OUT);
        CHECK(same_bits(y, want, OUT));
    }
    float y[OUT]; /* of memory that is damaged nothing is read or written outside */
    memset(kept, 0xff, sizeof kept);
    for (int t = 0; t < 40; t++)
        TSAD_K(linear_flight_f32)(1, STEPS, IN, OUT, x, IN, w, NULL, act, y, OUT, kept);
}

int main(void) {
    keeps();
    whole_windows(0, TSAD_ACT_NONE);
    whole_windows(1, TSAD_ACT_TANH);
    for (int with = 0; with <= 1; with++) {
        layers(1, with);
        layers(0, with);
    }
    return check_result();
}
