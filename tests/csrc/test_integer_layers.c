/*
 * Layers with integer weights on several windows with gaps between them, against plain loops over the weights as they
 * were before they were packed, in 64 bits. Nothing is written outside.
 */
#include "integers.h"

static union {
    int8_t bytes[ROOM];
    uint32_t align;
} packed[2];

/* A matrix (out, in) as kernels_s16.h says: panels of four rows, then the rows that are left. */
static void pack(const int8_t *from, size_t out, size_t in, int8_t *to) {
    static const size_t turn[4] = {0, 2, 1, 3};
    size_t row = 0;
    for (; row + 4 <= out; row += 4) {
        size_t i = 0;
        for (; i + 4 <= in; i += 4)
            for (size_t r = 0; r < 4; r++)
                for (size_t k = 0; k < 4; k++)
                    *to++ = from[(row + r) * in + i + turn[k]];
        for (; i < in; i++)
            for (size_t r = 0; r < 4; r++)
                *to++ = from[(row + r) * in + i];
    }
    memcpy(to, from + row * in, (out - row) * in);
}

static int32_t activated(int32_t value, enum tsad_activation act, int fraction) {
    const int32_t low = act == TSAD_ACT_RELU ? 0 : -LIMIT;
    if (act == TSAD_ACT_SIGMOID)
        return tsad_sigmoid(value, fraction);
    return act == TSAD_ACT_TANH ? tsad_tanh(value, fraction) : value < low ? low : value > LIMIT ? LIMIT : value;
}

static int is_activated(float value, double exact, enum tsad_activation act) {
    switch (act) {
    case TSAD_ACT_SIGMOID:
        return fabs((double)value - 1.0 / (1.0 + exp(-exact))) < 2e-5;
    case TSAD_ACT_TANH:
        return fabs((double)value - tanh(exact)) < 4e-5;
    default:
        return (double)value == (act == TSAD_ACT_RELU && exact < 0.0 ? 0.0 : exact);
    }
}

/* ---------------------------------------------------------------- layers */

static void linear(size_t rows, size_t in, size_t out, enum tsad_activation act) {
    const size_t x_pitch = in + 1, y_pitch = rows * out + 3;
    float scale[64];
    fill((uint32_t)(11 + in + 40 * out));
    pack(plain[0], out, in, packed[0].bytes);
    for (size_t o = 0; o < out; o++)
        scale[o] = ldexpf(1.0f, act == TSAD_ACT_SIGMOID || act == TSAD_ACT_TANH ? -4 : -18); /* with 2^16 in it */
    TSAD_K(linear_s8_s16)
    (WINDOWS, rows, in, out, x, x_pitch, packed[0].bytes, bias[0], m[0], shift[0], act, 10, LIMIT, y, y_pitch);
    TSAD_K(linear_s8_f32)(WINDOWS, rows, in, out, x, x_pitch, packed[0].bytes, bias[0], scale, act, out_f32, y_pitch);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t r = 0; r < rows; r++)
            for (size_t o = 0; o < out; o++) {
                const size_t at = k * y_pitch + r * out + o;
                int64_t sum = bias[0][o];
                for (size_t i = 0; i < in; i++)
                    sum += x[k * x_pitch + r * in + i] * plain[0][o * in + i];
                expected[at] = (int16_t)activated(requantised(sum, m[0][o], shift[0][o]), act, 10);
                CHECK(is_activated(out_f32[at],
                                   ldexp((double)sum, act == TSAD_ACT_RELU || act == TSAD_ACT_NONE ? -18 : -20), act));
            }
    compare("linear_s8_s16");
    for (size_t k = 0; k < WINDOWS; k++)
        CHECK(out_f32[k * y_pitch + rows * out] == UNTOUCHED);
}

typedef struct shape {
    size_t steps, in, out_steps, out, taps, stride, dilation, before, groups;
} shape;

static void conv1d(const shape *s, const size_t xs[3]) {
    enum { ROWS = 2, X_PITCH = 101 };
    const size_t in = s->in / s->groups, out = s->out / s->groups, seen = s->taps * in;
    const size_t y_pitch = ROWS * s->out_steps * s->out + 1;
    float scale[64];
    fill((uint32_t)(13 + s->steps + s->out));
    for (size_t g = 0; g < s->groups; g++)
        pack(plain[0] + g * out * seen, out, seen, packed[0].bytes + g * out * seen);
    for (size_t o = 0; o < s->out; o++)
        scale[o] = 0.25f;
    scratch[seen] = UNTOUCHED;
    TSAD_K(conv1d_s8_s16)
    (WINDOWS, ROWS, s->steps, s->in, s->out_steps, s->out, s->taps, s->stride, s->dilation, s->before, s->groups, x,
     X_PITCH, xs, packed[0].bytes, bias[0], m[0], shift[0], TSAD_ACT_RELU, 0, LIMIT, y, y_pitch, scratch);
    TSAD_K(conv1d_s8_f32)
    (WINDOWS, ROWS, s->steps, s->in, s->out_steps, s->out, s->taps, s->stride, s->dilation, s->before, s->groups, x,
     X_PITCH, xs, packed[0].bytes, bias[0], scale, TSAD_ACT_NONE, out_f32, y_pitch, scratch);
    CHECK(scratch[seen] == UNTOUCHED);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t row = 0; row < ROWS; row++)
            for (size_t t = 0; t < s->out_steps; t++)
                for (size_t o = 0; o < s->out; o++) {
                    const size_t at = k * y_pitch + (row * s->out_steps + t) * s->out + o;
                    int64_t sum = bias[0][o];
                    for (size_t tap = 0; tap < s->taps; tap++)
                        for (size_t i = 0; i < in; i++) {
                            const size_t step = t * s->stride + tap * s->dilation;
                            if (step >= s->before && step - s->before < s->steps)
                                sum += x[k * X_PITCH + row * xs[0] + (step - s->before) * xs[1] +
                                         (o / out * in + i) * xs[2]] *
                                       plain[0][o * seen + tap * in + i];
                        }
                    expected[at] = (int16_t)activated(requantised(sum, m[0][o], shift[0][o]), TSAD_ACT_RELU, 0);
                    CHECK(out_f32[at] == (float)sum * 0.25f);
                }
    compare("conv1d_s8_s16");
}

/* Sum of row o of one of the two matrices of a recurrent layer, requantised. */
static int32_t gate(int which, size_t o, size_t in, const int16_t *from) {
    int64_t sum = bias[which][o];
    for (size_t i = 0; i < in; i++)
        sum += from[i] * plain[which][o * in + i];
    return requantised(sum, m[which][o], shift[which][o]);
}

static void lstm_step(size_t in, size_t hidden, const int16_t *from, int16_t *state, int16_t *cells) {
    enum { FRACTION = 10, CELL = 12 };
    int32_t gates[4 * 16];
    for (size_t o = 0; o < 4 * hidden; o++) {
        const int32_t sum = gate(0, o, in, from) + gate(1, o, hidden, state);
        gates[o] = o / hidden == 2 ? tsad_tanh(sum, FRACTION) : tsad_sigmoid(sum, FRACTION);
    }
    for (size_t j = 0; j < hidden; j++) {
        const int64_t fresh = down((int64_t)gates[j] * gates[2 * hidden + j] + (1 << (14 - CELL)), 15 - CELL);
        const int64_t cell = down((int64_t)gates[hidden + j] * cells[j] + fresh + (1 << 14), 15);
        cells[j] = (int16_t)(cell < -32767 ? -32767 : cell > 32767 ? 32767 : cell);
        state[j] = (int16_t)down((int64_t)gates[3 * hidden + j] * tsad_tanh(cells[j], CELL) + (1 << 14), 15);
    }
}

static void gru_step(size_t in, size_t hidden, const int16_t *from, int16_t *state, int16_t *unused) {
    enum { FRACTION = 10 };
    int16_t next[16];
    (void)unused;
    for (size_t j = 0; j < hidden; j++) {
        const int32_t r = tsad_sigmoid(gate(0, j, in, from) + gate(1, j, hidden, state), FRACTION);
        const int32_t z = tsad_sigmoid(gate(0, hidden + j, in, from) + gate(1, hidden + j, hidden, state), FRACTION);
        const int64_t past = down((int64_t)r * gate(1, 2 * hidden + j, hidden, state) + (1 << 14), 15);
        const int32_t fresh = tsad_tanh(gate(0, 2 * hidden + j, in, from) + (int32_t)past, FRACTION);
        next[j] = (int16_t)down((int64_t)z * state[j] + (int64_t)(32768 - z) * fresh + (1 << 14), 15);
    }
    memcpy(state, next, hidden * sizeof *state);
}

static void recurrent(size_t steps, size_t in, size_t hidden, int is_lstm) {
    const size_t gates = (is_lstm ? 4 : 3) * hidden, room = (is_lstm ? 6 : 4) * hidden;
    for (int last = 0; last < 2; last++) {
        const size_t y_pitch = (last ? 1 : steps) * hidden + 2;
        fill((uint32_t)(17 + steps + hidden));
        pack(plain[0], gates, in, packed[0].bytes);
        pack(plain[1], gates, hidden, packed[1].bytes);
        if (is_lstm)
            TSAD_K(lstm_s8)
        (WINDOWS, steps, in, hidden, last, x, in, packed[0].bytes, packed[1].bytes, bias[0], bias[1], m[0], shift[0],
         m[1], shift[1], 10, 12, y, y_pitch, scratch);
        else TSAD_K(gru_s8)(WINDOWS, steps, in, hidden, last, x, in, packed[0].bytes, packed[1].bytes, bias[0], bias[1],
                            m[0], shift[0], m[1], shift[1], 10, y, y_pitch, scratch);
        CHECK(scratch[room] == UNTOUCHED);
        for (size_t k = 0; k < WINDOWS; k++) {
            int16_t state[16] = {0}, cells[16] = {0};
            for (size_t t = 0; t < steps; t++) {
                (is_lstm ? lstm_step : gru_step)(in, hidden, x + (k + t) * in, state, cells);
                if (!last || t + 1 == steps)
                    memcpy(expected + k * y_pitch + (last ? 0 : t * hidden), state, hidden * sizeof *state);
            }
        }
        compare(is_lstm ? "lstm_s8" : "gru_s8");
    }
}

int main(void) {
    static const size_t ins[] = {1, 3, 4, 7, 8, 17}, outs[] = {1, 3, 4, 6, 31, 32, 33, 37};
    static const shape shapes[] = {{9, 4, 9, 6, 3, 1, 2, 4, 1},
                                   {9, 4, 5, 8, 2, 2, 1, 0, 2},
                                   {7, 3, 12, 5, 3, 1, 1, 4, 1},
                                   {6, 4, 6, 4, 2, 1, 1, 1, 4}};
    for (size_t i = 0; i < sizeof ins / sizeof *ins; i++)
        for (size_t o = 0; o < sizeof outs / sizeof *outs; o++)
            for (int act = 0; act < 4; act++)
                linear(1 + i % 2, ins[i], outs[o], (enum tsad_activation)act);
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        conv1d(&shapes[k], (const size_t[3]){shapes[k].steps * shapes[k].in, shapes[k].in, 1});
        conv1d(&shapes[k], (const size_t[3]){shapes[k].steps * shapes[k].in, 1, shapes[k].steps});
    }
    for (int is_lstm = 0; is_lstm < 2; is_lstm++) {
        recurrent(1, 1, 1, is_lstm);
        recurrent(5, 3, 8, is_lstm);
        recurrent(6, 5, 11, is_lstm);
    }
    return check_result();
}
