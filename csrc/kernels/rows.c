/*
 * rows.c - a matrix of s8 weights times one s16 vector, a few rows at a time.
 */
#include "kernels.h"

size_t TSAD_K(next_rows_s8)(size_t left, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                            int32_t acc[TSAD_ROWS]) {
    const size_t most = TSAD_ROWS, four = left < most ? left - left % 4 : most;
    if (four > 0) {
        TSAD_K(add_panels_s8)(four / 4, in, x, w, b, acc);
        return four;
    }
    acc[0] = b[0];
    for (size_t i = 0; i < in; i++)
        acc[0] += x[i] * w[i];
    return 1;
}
