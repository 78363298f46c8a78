/*
 * bmm.c - products of two computed matrices on x86 with AVX2: as kernels/bmm.c, but of more rows at once, and few
 * outputs need not be set to zero before.
 */
#include "kernels.h"
#include "lines.h"

enum { TOGETHER = 128, FEW = 256 };

void TSAD_K(bmm_f32)(size_t n, size_t count, size_t rows, size_t in, size_t out, const float *a, size_t a_pitch,
                     const size_t as[3], const float *b, size_t b_pitch, const size_t bs[2], float *y, size_t y_pitch) {
    static const float zeros[FEW] = {0.0f};
    const float *const start = out <= FEW ? zeros : NULL;
    const float *from[TOGETHER];
    float *to[TOGETHER];
    for (size_t window = 0; window < n; window++)
        for (size_t i = 0; i < count; i++)
            for (size_t row = 0, lines = 0; row < rows; row++) {
                from[lines] = a + window * a_pitch + i * as[0] + row * as[1];
                to[lines++] = y + window * y_pitch + (i * rows + row) * out;
                if (lines < TOGETHER && row + 1 < rows)
                    continue;
                if (start == NULL)
                    tsad_start_lines(lines, out, NULL, to);
                TSAD_K(add_lines_f32)
                (lines, in, out, from, as[2], b + window * b_pitch + i * bs[0], bs[1], start, to);
                lines = 0;
            }
}
