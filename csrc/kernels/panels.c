/*
 * panels.c - the inner loop of integer matrix products: s16 values times s8 weights, summed in s32.
 *
 * A sum of s32 does not depend on the order of its terms, so that an overlay may take another.
 */
#include "kernels.h"

void TSAD_K(add_panels_s8)(size_t panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                           int32_t *acc) {
    for (size_t p = 0; p < panels; p++, b += 4, acc += 4) {
        int32_t sum0 = b[0], sum1 = b[1], sum2 = b[2], sum3 = b[3];
        size_t i = 0;
        for (; i + 4 <= in; i += 4, w += 16) {
            sum0 += x[i] * w[0] + x[i + 1] * w[2] + x[i + 2] * w[1] + x[i + 3] * w[3];
            sum1 += x[i] * w[4] + x[i + 1] * w[6] + x[i + 2] * w[5] + x[i + 3] * w[7];
            sum2 += x[i] * w[8] + x[i + 1] * w[10] + x[i + 2] * w[9] + x[i + 3] * w[11];
            sum3 += x[i] * w[12] + x[i + 1] * w[14] + x[i + 2] * w[13] + x[i + 3] * w[15];
        }
        for (; i < in; i++, w += 4) {
            sum0 += x[i] * w[0];
            sum1 += x[i] * w[1];
            sum2 += x[i] * w[2];
            sum3 += x[i] * w[3];
        }
        acc[0] = sum0;
        acc[1] = sum1;
        acc[2] = sum2;
        acc[3] = sum3;
    }
}
