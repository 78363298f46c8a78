/*
 * normalise.c - variances, and rows brought to mean 0 and variance 1 (layer, group and instance norm) or to mean
 * square 1 (RMS norm).
 *
 * A row's mean is subtracted in two pieces, the rounded mean and the mean of what then remains: so a row of large,
 * almost equal numbers keeps the digits in which they differ, and nothing but these is enlarged.
 */
#include "functions.h"
#include "kernels.h"

typedef struct centre {
    float mean, rest;
} centre;

static inline float from_centre(float x, centre c) { return (x - c.mean) - c.rest; }

/* Sum of the distances from c, or of their squares: four sums, of every fourth term, added in the end. */
static inline float distances(size_t count, size_t step, const float *x, centre c, int square) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    size_t k = 0;
    for (; k + 4 <= count; k += 4)
        for (size_t j = 0; j < 4; j++) {
            const float d = from_centre(x[(k + j) * step], c);
            sum[j] += square ? d * d : d;
        }
    for (size_t j = 0; k < count; k++, j++) {
        const float d = from_centre(x[k * step], c);
        sum[j] += square ? d * d : d;
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline centre find_centre(size_t count, size_t step, const float *x) {
    const float share = 1.0f / (float)count;
    centre c = {0.0f, 0.0f};
    c.mean = distances(count, step, x, c, 0) * share;
    c.rest = distances(count, step, x, c, 0) * share;
    return c;
}

void TSAD_K(var_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < outer; i++)
            for (size_t k = 0; k < inner; k++) {
                const float *from = x + i * reduced * inner + k;
                const centre c = find_centre(reduced, inner, from);
                y[i * inner + k] = distances(reduced, inner, from, c, 1) * scale;
            }
}

void TSAD_K(normalise_f32)(size_t n, size_t rows, size_t width, int centred, float eps, const float *x, size_t x_pitch,
                           const float *w, const float *b, float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            const float *from = x + window * x_pitch + row * width;
            float *to = y + window * y_pitch + row * width;
            centre c = {0.0f, 0.0f};
            if (centred)
                c = find_centre(width, 1, from);
            const float scale = tsad_rsqrt(distances(width, 1, from, c, 1) * (1.0f / (float)width) + eps);
            for (size_t k = 0; k < width; k++)
                to[k] = from_centre(from[k], c) * scale;
            if (w != NULL)
                for (size_t k = 0; k < width; k++)
                    to[k] *= w[k];
            if (b != NULL)
                for (size_t k = 0; k < width; k++)
                    to[k] += b[k];
        }
}
