/*
 * linear_s8.c - dense layers of s16 values with s8 weights on x86 with AVX2: rows of all windows are lines, some of
 * which are summed together; rows that overlapping windows share are computed once. Sums are exact, so the bits are
 * those of kernels/linear_s8.c.
 */
#include "panels.h"

#include <string.h>

enum { TOGETHER = 24 };

/* What follows the sums: they become values of s16, or those of f32. */
typedef struct ending {
    const int32_t *m;
    const int8_t *shift;
    const float *scale;
    enum tsad_activation act;
    int fraction;
    int32_t limit;
    int16_t *s16;
    float *f32;
} ending;

/* Sums of some rows of w, from `o` on, of one line, whose first element y has at `to`. */
static void end_rows(const ending *e, size_t o, size_t count, const int32_t *acc, size_t to) {
    if (e->s16 != NULL)
        TSAD_K(settle_s16)(count, acc, e->m + o, e->shift + o, e->act, e->fraction, e->limit, e->s16 + to + o);
    else
        TSAD_K(settle_f32)(count, acc, e->scale + o, e->act, e->f32 + to + o);
}

/* y of every window but the first begins with what the window before has from its second row on. */
static void repeat_rows(size_t n, size_t count, size_t out, const ending *e, size_t y_pitch) {
    for (size_t window = 1; window < n; window++) {
        const size_t to = window * y_pitch, from = to - y_pitch + out;
        if (e->s16 != NULL)
            memcpy(e->s16 + to, e->s16 + from, count * sizeof *e->s16);
        else
            memcpy(e->f32 + to, e->f32 + from, count * sizeof *e->f32);
    }
}

static void layer(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch, const int8_t *w,
                  const int32_t *b, const ending *e, size_t y_pitch) {
    const int overlap = x_pitch == in; /* a window has but its last row for itself */
    const size_t all = overlap ? rows + n - 1 : n * rows;
    const int16_t *from[TOGETHER];
    int32_t acc[TOGETHER][TSAD_ROWS], *sums[TOGETHER];
    size_t to[TOGETHER];
    for (size_t l = 0; l < TOGETHER; l++)
        sums[l] = acc[l];
    for (size_t at = 0, window = 0, row = 0; at < all;) {
        size_t lines = 0;
        for (; lines < TOGETHER && at < all; lines++, at++) {
            from[lines] = x + window * x_pitch + row * in;
            to[lines] = window * y_pitch + row * out;
            if (row + 1 < rows) {
                row++;
            } else {
                window++;
                row = overlap ? row : 0;
            }
        }
        for (size_t o = 0, count; o < out; o += count) {
            count = out - o < TSAD_ROWS ? out - o : (size_t)TSAD_ROWS;
            TSAD_K(add_lines_s8)(lines, in, count, from, w + o * in, b + o, sums);
            for (size_t l = 0; l < lines; l++)
                end_rows(e, o, count, acc[l], to[l]);
        }
    }
    if (overlap)
        repeat_rows(n, (rows - 1) * out, out, e, y_pitch);
}

void TSAD_K(linear_s8_s16)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const int32_t *m, const int8_t *shift,
                           enum tsad_activation act, int fraction, int32_t limit, int16_t *y, size_t y_pitch) {
    const ending e = {m, shift, NULL, act, fraction, limit, y, NULL};
    layer(n, rows, in, out, x, x_pitch, w, b, &e, y_pitch);
}

void TSAD_K(linear_s8_f32)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const float *scale, enum tsad_activation act, float *y,
                           size_t y_pitch) {
    const ending e = {NULL, NULL, scale, act, 0, 0, NULL, y};
    layer(n, rows, in, out, x, x_pitch, w, b, &e, y_pitch);
}
