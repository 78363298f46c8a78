/*
 * many.h - what lines.c leaves to many.c: sums of more lines than one, and of many outputs.
 */
#ifndef TSAD_MANY_H
#define TSAD_MANY_H

#include "kernels.h"

/* As add_lines_f32; products are not rounded, and each sum runs over the inputs in their order. */
void TSAD_K(add_many_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                          size_t row, const float *b, float *const *y);

#endif
