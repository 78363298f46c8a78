/*
 * unary.c - functions of one value, element by element.
 */
#include "functions.h"
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
DEFINE_UNARY(sign_f32, tsad_sign(v))
DEFINE_UNARY(floor_f32, tsad_floor(v))
DEFINE_UNARY(round_f32, tsad_round(v))
DEFINE_UNARY(sqrt_f32, tsad_sqrt(v))
DEFINE_UNARY(rsqrt_f32, tsad_rsqrt(v))
DEFINE_UNARY(log_f32, tsad_log(v))
DEFINE_UNARY(log1p_f32, tsad_log1p(v))
DEFINE_UNARY(expm1_f32, tsad_expm1(v))
DEFINE_UNARY(erf_f32, tsad_erf(v))
DEFINE_UNARY(gelu_f32, tsad_gelu(v))
DEFINE_UNARY(gelu_tanh_f32, tsad_gelu_tanh(v))
DEFINE_UNARY(silu_f32, tsad_silu(v))
DEFINE_UNARY(softplus_f32, tsad_softplus(v))

/* Far arguments are rare: a window without them has a loop without branches. */
static void sines(size_t n, size_t count, uint32_t ahead, const float *x, size_t x_pitch, float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        int near = 1;
        for (size_t k = 0; k < count; k++)
            near &= tsad_abs(x[k]) <= TSAD_SINE_NEAR;
        if (near) {
            for (size_t k = 0; k < count; k++)
                y[k] = tsad_sine_near(x[k], ahead);
        } else {
            for (size_t k = 0; k < count; k++)
                y[k] = tsad_sine(x[k], ahead);
        }
    }
}

void TSAD_K(sin_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch) {
    sines(n, count, 0u, x, x_pitch, y, y_pitch);
}

void TSAD_K(cos_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch) {
    sines(n, count, 1u, x, x_pitch, y, y_pitch);
}

void TSAD_K(leaky_relu_f32)(size_t n, size_t count, float slope, const float *x, size_t x_pitch, float *y,
                            size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t k = 0; k < count; k++)
            y[k] = x[k] < 0.0f ? x[k] * slope : x[k];
}
