/*
 * edges_s16.c - between floats and s16: samples to slots, f32 to s16 and back.
 */
#include "integer.h"

void TSAD_K(enter_s16)(size_t channels, const float *sample, const float *table, int32_t limit, int16_t *slot) {
    for (size_t c = 0; c < channels; c++)
        slot[c] = (int16_t)tsad_rounded((sample[c] - table[c]) * table[channels + c], limit);
}

void TSAD_K(quantise_s16)(size_t n, const size_t d[3], const float *x, size_t x_pitch, const size_t xs[3], float scale,
                          int32_t limit, int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        int16_t *to = y;
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++)
                for (size_t k = 0; k < d[2]; k++)
                    *to++ = (int16_t)tsad_rounded(x[i * xs[0] + j * xs[1] + k * xs[2]] * scale, limit);
    }
}

void TSAD_K(dequantise_s16)(size_t n, const size_t d[3], const int16_t *x, size_t x_pitch, const size_t xs[3],
                            float scale, float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch) {
        float *to = y;
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++)
                for (size_t k = 0; k < d[2]; k++)
                    *to++ = (float)x[i * xs[0] + j * xs[1] + k * xs[2]] * scale;
    }
}
