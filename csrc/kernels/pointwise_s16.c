/*
 * pointwise_s16.c - s16 values by themselves: relu, leaky_relu, tanh, sigmoid.
 */
#include "integer.h"

void TSAD_K(relu_s16)(size_t n, size_t count, const int16_t *x, size_t x_pitch, int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] > 0 ? x[i] : 0;
}

void TSAD_K(leaky_relu_s16)(size_t n, size_t count, int32_t slope, const int16_t *x, size_t x_pitch, int16_t *y,
                            size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < count; i++)
            y[i] = x[i] > 0 ? x[i] : (int16_t)tsad_shifted(x[i] * slope, 15);
}

void TSAD_K(tanh_s16)(size_t n, size_t count, int32_t m, int shift, int fraction, const int16_t *x, size_t x_pitch,
                      int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < count; i++)
            y[i] = (int16_t)tsad_tanh(tsad_requantise(x[i] * TSAD_LIFT, m, shift), fraction);
}

void TSAD_K(sigmoid_s16)(size_t n, size_t count, int32_t m, int shift, int fraction, const int16_t *x, size_t x_pitch,
                         int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < count; i++)
            y[i] = (int16_t)tsad_sigmoid(tsad_requantise(x[i] * TSAD_LIFT, m, shift), fraction);
}
