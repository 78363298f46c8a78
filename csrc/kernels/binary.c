/*
 * binary.c - sum, difference, product and quotient of two tensors, either of which may repeat along any axis.
 */
#include "kernels.h"

/*
 * Defines the kernel of an operator. The innermost axis has a loop of its own for the cases a compiler can turn into
 * vector instructions: both dense, or one of the two repeated.
 */
#define DEFINE_BINARY(name, op)                                                                                        \
    static void name##_row(size_t d, const float *a, size_t as, const float *b, size_t bs, float *y) {                 \
        if (as == 1 && bs == 1) {                                                                                      \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = a[k] op b[k];                                                                                   \
        } else if (as == 1 && bs == 0) {                                                                               \
            const float right = *b;                                                                                    \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = a[k] op right;                                                                                  \
        } else if (as == 0 && bs == 1) {                                                                               \
            const float left = *a;                                                                                     \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = left op b[k];                                                                                   \
        } else {                                                                                                       \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = a[k * as] op b[k * bs];                                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    void TSAD_K(name)(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3], const float *b, \
                      size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch) {                                  \
        for (size_t window = 0; window < n; window++, a += a_pitch, b += b_pitch, y += y_pitch)                        \
            for (size_t i = 0; i < d[0]; i++)                                                                          \
                for (size_t j = 0; j < d[1]; j++)                                                                      \
                    name##_row(d[2], a + i * as[0] + j * as[1], as[2], b + i * bs[0] + j * bs[1], bs[2],               \
                               y + (i * d[1] + j) * d[2]);                                                             \
    }

DEFINE_BINARY(add_f32, +)
DEFINE_BINARY(sub_f32, -)
DEFINE_BINARY(mul_f32, *)
DEFINE_BINARY(div_f32, /)
