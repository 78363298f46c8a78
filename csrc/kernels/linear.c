/*
 * linear.c - dense layers: y = act(x . w + b) on every row of every window.
 */
#include "elementary.h"
#include "kernels.h"
#include "lines.h"

void TSAD_K(linear_f32)(size_t n, size_t rows, size_t in, size_t out, const float *x, size_t x_pitch, const float *w,
                        const float *b, enum tsad_activation act, float *y, size_t y_pitch) {
    const float *from[TSAD_LINES];
    float *to[TSAD_LINES];
    size_t lines = 0;
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++) {
            from[lines] = x + window * x_pitch + row * in;
            to[lines++] = y + window * y_pitch + row * out;
            if (lines < TSAD_LINES && (window + 1 < n || row + 1 < rows))
                continue;
            if (b == NULL)
                tsad_start_lines(lines, out, NULL, to);
            TSAD_K(add_lines_f32)(lines, in, out, from, 1, w, out, b, to);
            for (size_t l = 0; l < lines; l++)
                tsad_activate(act, out, to[l]);
            lines = 0;
        }
}
