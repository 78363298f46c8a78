/*
 * keep.c - what a stream keeps of its last samples: the oldest goes, the newest joins.
 */
#include "kernels.h"

#include <string.h>

void TSAD_K(keep_f32)(size_t n, size_t steps, size_t size, const float *x, size_t x_pitch, float *y, size_t y_pitch) {
    (void)n, (void)x_pitch, (void)y_pitch;
    memmove(y, y + size, (steps - 1) * size * sizeof *y);
    memcpy(y + (steps - 1) * size, x, size * sizeof *y);
}

void TSAD_K(keep_s16)(size_t n, size_t steps, size_t size, const int16_t *x, size_t x_pitch, int16_t *y,
                      size_t y_pitch) {
    (void)n, (void)x_pitch, (void)y_pitch;
    memmove(y, y + size, (steps - 1) * size * sizeof *y);
    memcpy(y + (steps - 1) * size, x, size * sizeof *y);
}
