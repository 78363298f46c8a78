/*
 * normalise_s16.c - rows brought to mean 0 and variance 1, or to mean square 1.
 *
 * Sums and their squares are exact, whatever the row: with d = width * x - sum, what is wanted is d divided by the root
 * of width^2 * (variance + eps). The root is found with 32 bits, and divided by once a row.
 */
#include "integer.h"

/* d * factor is below 2^31, and d * factor * inverse / 2^46 the element. */
typedef struct scaling {
    int32_t factor, inverse;
} scaling;

/* By the square of what is to be divided by, from 1 on; elements are below 2^magnitude. */
static inline scaling find_scaling(uint64_t square, int magnitude) {
    int lift = 0;
    for (int step = 16; step > 0; step /= 2)
        if (square >> (64 - 2 * step) == 0) {
            square <<= 2 * step;
            lift += step;
        }
    const uint64_t inverse = ((uint64_t)1 << 62) / tsad_root(square);
    const scaling found = {1 << (lift - 1 - magnitude), (int32_t)(inverse < INT32_MAX ? inverse : INT32_MAX)};
    return found;
}

void TSAD_K(normalise_s16)(size_t n, size_t rows, size_t width, int centred, uint64_t eps, int magnitude,
                           const int16_t *x, size_t x_pitch, int16_t *y, size_t y_pitch) {
    const int32_t count = (int32_t)width;
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            const int16_t *from = x + window * x_pitch + row * width;
            int16_t *to = y + window * y_pitch + row * width;
            int32_t sum = 0;
            uint64_t squares = 0;
            for (size_t k = 0; k < width; k++) {
                sum += from[k];
                squares += (uint32_t)(from[k] * from[k]);
            }
            if (!centred)
                sum = 0;
            const uint64_t square = squares * width - (uint64_t)((int64_t)sum * sum) + eps;
            const scaling by = find_scaling(square, magnitude);
            for (size_t k = 0; k < width; k++)
                to[k] = (int16_t)tsad_requantise((count * from[k] - sum) * by.factor, by.inverse, 14);
        }
}
