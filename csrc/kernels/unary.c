/*
 * unary.c - functions of one value, element by element.
 */
#include "elementary.h"
#include "kernels.h"

/* Defines the kernel of a unary function: y = expression of v. */
#define DEFINE_UNARY(name, expression)                                                                                 \
    void TSAD_K(name)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch) {              \
        for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)                                      \
            for (size_t k = 0; k < count; k++) {                                                                       \
                const float v = x[k];                                                                                  \
                y[k] = (expression);                                                                                   \
            }                                                                                                          \
    }

DEFINE_UNARY(relu_f32, tsad_relu(v))
DEFINE_UNARY(tanh_f32, tsad_tanh(v))
DEFINE_UNARY(sigmoid_f32, tsad_sigmoid(v))
DEFINE_UNARY(exp_f32, tsad_exp(v))
DEFINE_UNARY(abs_f32, tsad_abs(v))

void TSAD_K(leaky_relu_f32)(size_t n, size_t count, float slope, const float *x, size_t x_pitch, float *y,
                            size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t k = 0; k < count; k++)
            y[k] = x[k] < 0.0f ? x[k] * slope : x[k];
}
