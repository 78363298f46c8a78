/*
 * centre.h - the mean of a row or column, and sums of distances from it.
 *
 * A mean is subtracted in two pieces, the rounded mean and the mean of what then remains: so a row of large, almost
 * equal numbers keeps the digits in which they differ, and nothing but these is enlarged.
 */
#ifndef TSAD_CENTRE_H
#define TSAD_CENTRE_H

#include <stddef.h>

typedef struct tsad_centre {
    float mean, rest;
} tsad_centre;

static inline float tsad_from_centre(float x, tsad_centre c) { return (x - c.mean) - c.rest; }

/* Sum of the distances from c, or of their squares: four sums, of every fourth term, added in the end. */
static inline float tsad_distances(size_t count, size_t step, const float *x, tsad_centre c, int square) {
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    size_t k = 0;
    for (; k + 4 <= count; k += 4)
        for (size_t j = 0; j < 4; j++) {
            const float d = tsad_from_centre(x[(k + j) * step], c);
            sum[j] += square ? d * d : d;
        }
    for (size_t j = 0; k < count; k++, j++) {
        const float d = tsad_from_centre(x[k * step], c);
        sum[j] += square ? d * d : d;
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static inline tsad_centre tsad_find_centre(size_t count, size_t step, const float *x) {
    const float share = 1.0f / (float)count;
    tsad_centre c = {0.0f, 0.0f};
    c.mean = tsad_distances(count, step, x, c, 0) * share;
    c.rest = tsad_distances(count, step, x, c, 0) * share;
    return c;
}

#endif
