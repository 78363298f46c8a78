/*
 * reduce.c - sums, means, products, maxima and minima over one axis, and running sums along it.
 */
#include "elementary.h"
#include "kernels.h"

void TSAD_K(sum_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < outer; i++) {
            const float *from = x + window * x_pitch + i * reduced * inner;
            float *to = y + window * y_pitch + i * inner;
            if (inner == 1) { /* in a register: `to` could be anything as far as the compiler knows */
                float sum = 0.0f;
                for (size_t j = 0; j < reduced; j++)
                    sum += from[j];
                *to = sum * scale;
                continue;
            }
            for (size_t k = 0; k < inner; k++)
                to[k] = 0.0f;
            for (size_t j = 0; j < reduced; j++, from += inner)
                for (size_t k = 0; k < inner; k++)
                    to[k] += from[k];
            for (size_t k = 0; k < inner; k++)
                to[k] *= scale;
        }
}

/*
 * Defines a reduction: `expression` joins what there is so far, l, with the next element, r. Along a row so many
 * `parts` are joined apart, that they wait less for each other; each begins with the first element, which counts twice
 * where there are two: that changes no maximum, but it would a product.
 */
#define DEFINE_REDUCTION(name, parts, expression)                                                                      \
    static inline float name##_of(float l, float r) { return (expression); }                                           \
    static float name##_row(size_t count, const float *x) {                                                            \
        float part[parts];                                                                                             \
        size_t k = 1;                                                                                                  \
        for (size_t j = 0; j < (parts); j++)                                                                           \
            part[j] = x[0];                                                                                            \
        for (; k + (parts) <= count; k += (parts))                                                                     \
            for (size_t j = 0; j < (parts); j++)                                                                       \
                part[j] = name##_of(part[j], x[k + j]);                                                                \
        for (; k < count; k++)                                                                                         \
            part[0] = name##_of(part[0], x[k]);                                                                        \
        for (size_t j = 1; j < (parts); j++)                                                                           \
            part[0] = name##_of(part[0], part[j]);                                                                     \
        return part[0];                                                                                                \
    }                                                                                                                  \
    void TSAD_K(name)(size_t n, size_t outer, size_t reduced, size_t inner, const float *x, size_t x_pitch, float *y,  \
                      size_t y_pitch) {                                                                                \
        for (size_t window = 0; window < n; window++)                                                                  \
            for (size_t i = 0; i < outer; i++) {                                                                       \
                const float *from = x + window * x_pitch + i * reduced * inner;                                        \
                float *to = y + window * y_pitch + i * inner;                                                          \
                if (inner == 1) {                                                                                      \
                    *to = name##_row(reduced, from);                                                                   \
                    continue;                                                                                          \
                }                                                                                                      \
                for (size_t k = 0; k < inner; k++)                                                                     \
                    to[k] = from[k];                                                                                   \
                for (size_t j = 1; j < reduced; j++)                                                                   \
                    for (size_t k = 0; k < inner; k++)                                                                 \
                        to[k] = name##_of(to[k], from[j * inner + k]);                                                 \
            }                                                                                                          \
    }

DEFINE_REDUCTION(max_f32, 2, tsad_larger(l, r))
DEFINE_REDUCTION(min_f32, 2, tsad_smaller(l, r))
DEFINE_REDUCTION(prod_f32, 1, l *r)

void TSAD_K(cumsum_f32)(size_t n, size_t outer, size_t summed, size_t inner, const float *x, size_t x_pitch, float *y,
                        size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < outer; i++) {
            const float *from = x + window * x_pitch + i * summed * inner;
            float *to = y + window * y_pitch + i * summed * inner;
            for (size_t k = 0; k < inner; k++)
                to[k] = from[k];
            for (size_t k = inner; k < summed * inner; k++)
                to[k] = to[k - inner] + from[k];
        }
}
