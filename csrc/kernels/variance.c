/*
 * variance.c - sums of squared distances from the mean, along an axis.
 */
#include "centre.h"
#include "kernels.h"

void TSAD_K(var_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < outer; i++)
            for (size_t k = 0; k < inner; k++) {
                const float *from = x + i * reduced * inner + k;
                const tsad_centre c = tsad_find_centre(reduced, inner, from);
                y[i * inner + k] = tsad_distances(reduced, inner, from, c, 1) * scale;
            }
}
