/*
 * settle.c - what sums of integer matrix products become: act(acc) as s16 or f32, for some rows.
 */
#include "integer.h"

static void clamp_all(size_t count, const int32_t *acc, const int32_t *m, const int8_t *shift, int32_t low,
                      int32_t high, int16_t *y) {
    for (size_t r = 0; r < count; r++)
        y[r] = (int16_t)tsad_clamped(tsad_requantise(acc[r], m[r], shift[r]), low, high);
}

void TSAD_K(settle_s16)(size_t count, const int32_t *acc, const int32_t *m, const int8_t *shift,
                        enum tsad_activation act, int fraction, int32_t limit, int16_t *y) {
    if (act == TSAD_ACT_NONE || act == TSAD_ACT_RELU) {
        clamp_all(count, acc, m, shift, act == TSAD_ACT_RELU ? 0 : -limit, limit, y);
        return;
    }
    for (size_t r = 0; r < count; r++) {
        const int32_t value = tsad_requantise(acc[r], m[r], shift[r]);
        y[r] = (int16_t)(act == TSAD_ACT_SIGMOID ? tsad_sigmoid(value, fraction) : tsad_tanh(value, fraction));
    }
}

/* Of sigmoid and tanh the table's 25 and 24 bits; a power of two as factor changes none of them. */
static float bounded(float value, enum tsad_activation act) {
    const int32_t x = tsad_rounded(value, 12 << TSAD_F32_FRACTION);
    const int32_t half = tsad_half_sigmoid(x, act == TSAD_ACT_TANH ? TSAD_F32_FRACTION - 1 : TSAD_F32_FRACTION);
    const int32_t signed_half = x < 0 ? -half : half;
    return act == TSAD_ACT_TANH ? (float)signed_half / 16777216.0f : (float)((1 << 24) + signed_half) / 33554432.0f;
}

void TSAD_K(settle_f32)(size_t count, const int32_t *acc, const float *scale, enum tsad_activation act, float *y) {
    for (size_t r = 0; r < count; r++) {
        const float value = (float)acc[r] * scale[r];
        if (act == TSAD_ACT_SIGMOID || act == TSAD_ACT_TANH)
            y[r] = bounded(value, act);
        else
            y[r] = act == TSAD_ACT_RELU && value < 0.0f ? 0.0f : value;
    }
}
