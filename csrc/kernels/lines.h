/*
 * lines.h - what matrix products share: so many lines at once, and what their sums start from. lines.c adds the terms.
 */
#ifndef TSAD_LINES_H
#define TSAD_LINES_H

#include "kernels.h"

/* So many lines share weights; more of them would not stay near. */
enum { TSAD_LINES = 16 };

/* y[l] (out) = b, or 0 where it is NULL: what sums start from */
static inline void tsad_start_lines(size_t lines, size_t out, const float *b, float *const *y) {
    for (size_t l = 0; l < lines; l++)
        for (size_t o = 0; o < out; o++)
            y[l][o] = b != NULL ? b[o] : 0.0f;
}

#endif
