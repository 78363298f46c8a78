/*
 * binary_s16.c - s16 values in pairs: add, mul.
 */
#include "integer.h"

/* a * left + b * right */
static int32_t weighted_sum(int32_t a, int32_t left, int32_t b, int32_t right, int shift) {
    const int64_t sum = a * TSAD_LIFT * (int64_t)left + b * TSAD_LIFT * (int64_t)right;
    return ((int32_t)(sum >> 32) + (1 << (shift - 1))) >> shift;
}

void TSAD_K(add_s16)(size_t n, const size_t d[3], const int16_t *a, size_t a_pitch, const size_t as[3],
                     const int16_t *b, size_t b_pitch, const size_t bs[3], int32_t left, int32_t right, int shift,
                     int32_t limit, int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, a += a_pitch, b += b_pitch, y += y_pitch) {
        int16_t *to = y;
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++)
                for (size_t k = 0; k < d[2]; k++) {
                    const int16_t *p = a + i * as[0] + j * as[1] + k * as[2];
                    const int16_t *q = b + i * bs[0] + j * bs[1] + k * bs[2];
                    *to++ = (int16_t)tsad_clamped(weighted_sum(*p, left, *q, right, shift), -limit, limit);
                }
    }
}

void TSAD_K(mul_s16)(size_t n, const size_t d[3], const int16_t *a, size_t a_pitch, const size_t as[3],
                     const int16_t *b, size_t b_pitch, const size_t bs[3], int32_t m, int shift, int32_t limit,
                     int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++, a += a_pitch, b += b_pitch, y += y_pitch) {
        int16_t *to = y;
        for (size_t i = 0; i < d[0]; i++)
            for (size_t j = 0; j < d[1]; j++)
                for (size_t k = 0; k < d[2]; k++) {
                    const int16_t *p = a + i * as[0] + j * as[1] + k * as[2];
                    const int16_t *q = b + i * bs[0] + j * bs[1] + k * bs[2];
                    *to++ = (int16_t)tsad_clamped(tsad_requantise(*p * *q, m, shift), -limit, limit);
                }
    }
}
