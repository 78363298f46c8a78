/*
 * binary.c - functions of two tensors, either of which may repeat along any axis: arithmetic, the larger and the
 * smaller one, comparisons (1 where they hold, 0 where they do not).
 */
#include "elementary.h"
#include "kernels.h"

/*
 * Defines the kernel of an expression of l and r. The innermost axis has a loop of its own for the cases a compiler can
 * turn into vector instructions: both dense, or one of the two repeated.
 */
#define DEFINE_BINARY(name, expression)                                                                                \
    static inline float name##_of(float l, float r) { return (expression); }                                           \
    static void name##_row(size_t d, const float *a, size_t as, const float *b, size_t bs, float *y) {                 \
        if (as == 1 && bs == 1) {                                                                                      \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = name##_of(a[k], b[k]);                                                                          \
        } else if (as == 1 && bs == 0) {                                                                               \
            const float right = *b;                                                                                    \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = name##_of(a[k], right);                                                                         \
        } else if (as == 0 && bs == 1) {                                                                               \
            const float left = *a;                                                                                     \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = name##_of(left, b[k]);                                                                          \
        } else {                                                                                                       \
            for (size_t k = 0; k < d; k++)                                                                             \
                y[k] = name##_of(a[k * as], b[k * bs]);                                                                \
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

DEFINE_BINARY(add_f32, l + r)
DEFINE_BINARY(sub_f32, l - r)
DEFINE_BINARY(mul_f32, l *r)
DEFINE_BINARY(div_f32, l / r)
DEFINE_BINARY(maximum_f32, tsad_larger(l, r))
DEFINE_BINARY(minimum_f32, tsad_smaller(l, r))
DEFINE_BINARY(less_f32, l < r ? 1.0f : 0.0f)
DEFINE_BINARY(less_equal_f32, l <= r ? 1.0f : 0.0f)
DEFINE_BINARY(equal_f32, l == r ? 1.0f : 0.0f)
DEFINE_BINARY(not_equal_f32, l != r ? 1.0f : 0.0f)

void TSAD_K(where_f32)(size_t n, const size_t d[3], const float *c, size_t c_pitch, const size_t cs[3], const float *a,
                       size_t a_pitch, const size_t as[3], const float *b, size_t b_pitch, const size_t bs[3], float *y,
                       size_t y_pitch) {
    for (size_t window = 0; window < n; window++, c += c_pitch, a += a_pitch, b += b_pitch, y += y_pitch)
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++) {
                const float *from = c + i * cs[0] + j * cs[1], *left = a + i * as[0] + j * as[1],
                            *right = b + i * bs[0] + j * bs[1];
                float *to = y + (i * d[1] + j) * d[2];
                for (size_t k = 0; k < d[2]; k++)
                    to[k] = from[k * cs[2]] != 0.0f ? left[k * as[2]] : right[k * bs[2]];
            }
}
