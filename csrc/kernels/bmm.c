/*
 * bmm.c - products of two computed matrices, or of many pairs of them.
 */
#include "kernels.h"
#include "lines.h"

void TSAD_K(bmm_f32)(size_t n, size_t count, size_t rows, size_t in, size_t out, const float *a, size_t a_pitch,
                     const size_t as[3], const float *b, size_t b_pitch, const size_t bs[2], float *y, size_t y_pitch) {
    const float *from[TSAD_LINES];
    float *to[TSAD_LINES];
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < count; i++)
            for (size_t row = 0, lines = 0; row < rows; row++) {
                from[lines] = a + window * a_pitch + i * as[0] + row * as[1];
                to[lines++] = y + window * y_pitch + (i * rows + row) * out;
                if (lines < TSAD_LINES && row + 1 < rows)
                    continue;
                tsad_start_lines(lines, out, NULL, to);
                TSAD_K(add_lines_f32)(lines, in, out, from, as[2], b + window * b_pitch + i * bs[0], bs[1], NULL, to);
                lines = 0;
            }
}
