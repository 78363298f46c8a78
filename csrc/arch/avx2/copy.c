/*
 * copy.c - moves values on x86 with AVX2: a transpose goes by squares of eight by eight, as what lies far apart is slow
 * to collect one by one.
 */
#include "eight.h"

/* y[j] (k) = x[k] (j), of at most eight j and k; rows of x are `xs` apart and rows of y `ys`. */
TSAD_INLINE void turn_square(size_t j, size_t k, const float *x, size_t xs, float *y, size_t ys) {
    __m256 row[TSAD_EIGHT], pair[TSAD_EIGHT], four[TSAD_EIGHT];
    for (size_t i = 0; i < TSAD_EIGHT; i++)
        row[i] = i < k ? tsad_load_eight(j, x + i * xs) : _mm256_setzero_ps();
    for (int i = 0; i < TSAD_EIGHT; i += 2) {
        pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
        pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
    }
    for (int i = 0; i < TSAD_EIGHT; i += 4)
        for (int h = 0; h < 2; h++) {
            four[i + 2 * h] = _mm256_shuffle_ps(pair[i + h], pair[i + h + 2], 0x44);
            four[i + 2 * h + 1] = _mm256_shuffle_ps(pair[i + h], pair[i + h + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) {
        row[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
        row[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
    }
    for (size_t i = 0; i < TSAD_EIGHT; i++)
        if (i < j)
            tsad_store_eight(k, y + i * ys, row[i]);
}

/* y (rows, count), whose rows are `ys` apart, = the columns of x, which are `xs` apart. */
static void turn(size_t rows, size_t count, const float *x, size_t xs, float *y, size_t ys) {
    for (size_t j = 0; j < rows; j += TSAD_EIGHT)
        for (size_t k = 0; k < count; k += TSAD_EIGHT) {
            const float *from = x + k * xs + j;
            float *to = y + j * ys + k;
            if (rows - j >= TSAD_EIGHT && count - k >= TSAD_EIGHT)
                turn_square(TSAD_EIGHT, TSAD_EIGHT, from, xs, to, ys);
            else
                turn_square(rows - j, count - k, from, xs, to, ys);
        }
}

void TSAD_K(copy_f32)(size_t n, const size_t d[3], const float *x, size_t x_pitch, const size_t xs[3], float *y,
                      size_t y_pitch, const size_t ys[3]) {
    for (size_t window = 0; window < n; window++, x += x_pitch, y += y_pitch)
        for (size_t i = 0; i < d[0]; i++) {
            const float *from = x + i * xs[0];
            float *to = y + i * ys[0];
            if (xs[1] == 1 && ys[2] == 1 && d[1] > 1 && d[2] > 1) {
                turn(d[1], d[2], from, xs[2], to, ys[1]);
                continue;
            }
            for (size_t j = 0; j < d[1]; j++, from += xs[1], to += ys[1]) {
                if (xs[2] == 1 && ys[2] == 1) {
                    for (size_t k = 0; k < d[2]; k++)
                        to[k] = from[k];
                } else {
                    for (size_t k = 0; k < d[2]; k++)
                        to[k * ys[2]] = from[k * xs[2]];
                }
            }
        }
}
