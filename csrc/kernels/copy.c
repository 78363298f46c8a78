/*
 * copy.c - moves values: transpose, slice, repeat, one piece of a concatenation.
 */
#include "kernels.h"

void TSAD_K(copy_f32)(size_t n, const size_t d[3], const float *x, size_t x_pitch, const size_t xs[3], float *y,
                      size_t y_pitch, const size_t ys[3]) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++) {
                const float *from = x + i * xs[0] + j * xs[1];
                float *to = y + i * ys[0] + j * ys[1];
                if (xs[2] == 1 && ys[2] == 1) {
                    for (size_t k = 0; k < d[2]; k++)
                        to[k] = from[k];
                } else {
                    for (size_t k = 0; k < d[2]; k++)
                        to[k * ys[2]] = from[k * xs[2]];
                }
            }
}
