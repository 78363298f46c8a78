/*
 * normalise.c - rows brought to mean 0 and variance 1 (layer, group and instance norm) or to mean square 1 (RMS norm).
 */
#include "centre.h"
#include "functions.h"
#include "kernels.h"

void TSAD_K(normalise_f32)(size_t n, size_t rows, size_t width, int centred, float eps, const float *x, size_t x_pitch,
                           const float *w, const float *b, float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            const float *from = x + window * x_pitch + row * width;
            float *to = y + window * y_pitch + row * width;
            tsad_centre c = {0.0f, 0.0f};
            if (centred)
                c = tsad_find_centre(width, 1, from);
            const float scale = tsad_rsqrt(tsad_distances(width, 1, from, c, 1) * (1.0f / (float)width) + eps);
            for (size_t k = 0; k < width; k++)
                to[k] = tsad_from_centre(from[k], c) * scale;
            if (w != NULL)
                for (size_t k = 0; k < width; k++)
                    to[k] *= w[k];
            if (b != NULL)
                for (size_t k = 0; k < width; k++)
                    to[k] += b[k];
        }
}
