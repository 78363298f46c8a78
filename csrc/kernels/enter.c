/*
 * enter.c - the part of a model that acts on each sample alone: the scaler.
 */
#include "kernels.h"

void TSAD_K(enter_f32)(size_t channels, const float *sample, const float *table, float *slot) {
    const float *scale = table + channels;
    for (size_t c = 0; c < channels; c++)
        slot[c] = (sample[c] - table[c]) * scale[c];
}
