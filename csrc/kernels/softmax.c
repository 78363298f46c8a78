/*
 * softmax.c - shares of one along an axis, and their logarithms.
 */
#include "kernels.h"
#include "shares.h"

void TSAD_K(softmax_f32)(size_t n, size_t outer, size_t reduced, size_t inner, int log, const float *x, size_t x_pitch,
                         float *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < outer * inner; i++) {
            const size_t at = i / inner * reduced * inner + i % inner;
            if (inner == 1) /* written out, so that loops over neighbours become vector code */
                tsad_shares(reduced, 1, log, x + at, y + at);
            else
                tsad_shares(reduced, inner, log, x + at, y + at);
        }
}
