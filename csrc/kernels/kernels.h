/*
 * kernels.h - the contract between generated programs and the kernels they call.
 *
 * Every kernel works on n windows at once. A tensor of n windows is a pointer and a *pitch*: the number of elements
 * from one window's first element to the next one's. Inside a window a tensor is dense and row-major unless strides
 * are given. The window's own slots have a pitch of one slot (windows overlap); constants have a pitch of 0.
 *
 *   aliasing    y may be x itself (same pointer, same pitch) in elementwise kernels; otherwise outputs and scratch
 *               overlap nothing
 *   alignment   f32 pointers are aligned to 4 bytes, no more
 *   tail reads  no kernel reads past the last element it is given
 *   layout      "generic": linear weights are packed (in, out), lstm weights (in, 4*hidden) and (hidden, 4*hidden),
 *               gates in the order i f g o; no padding
 *   order       each sum runs over its terms in index order, starting from the bias (0 without one), and products are
 *               rounded before they are added: build with -ffp-contract=off. So every target gives the same bits.
 *
 * Portable C99; a faster file of the same name in arch/<isa>/ may replace one of these.
 */
#ifndef TSAD_KERNELS_H
#define TSAD_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* How this build's kernels want weights packed. A generated program asks for its own layout by name, or is refused. */
#define TSAD_LAYOUT_GENERIC 1

/* A host library holds one program per ISA side by side: the build gives all but the first a suffix, "_avx2". */
#ifndef TSAD_SUFFIX
#define TSAD_SUFFIX
#endif
#ifndef TSAD_ISA
#define TSAD_ISA "generic"
#endif
#define TSAD_JOIN_(a, b) a##b
#define TSAD_JOIN(a, b) TSAD_JOIN_(a, b)
#define TSAD_SYMBOL(name) TSAD_JOIN(name, TSAD_SUFFIX)
#define TSAD_K(op) TSAD_SYMBOL(tsad_##op)

/* Called after every kernel with the operator's number, its output and the count of elements of all windows. */
#ifdef TSAD_TAP_ON
void tsad_tap(int32_t id, const float *data, size_t count);
#define TSAD_TAP(id, data, count) tsad_tap((id), (data), (count))
#else
#define TSAD_TAP(id, data, count) ((void)0)
#endif

enum tsad_activation { TSAD_ACT_NONE, TSAD_ACT_RELU, TSAD_ACT_TANH, TSAD_ACT_SIGMOID };

/* enter.c: slot[c] = (sample[c] - table[c]) * table[channels + c] */
void TSAD_K(enter_f32)(size_t channels, const float *sample, const float *table, float *slot);

/*
 * linear.c: y (rows, out) = act(x (rows, in) . w + b). b (out) may be NULL; with one window of one row it may be y
 * itself: the sums then go on from what is there.
 */
void TSAD_K(linear_f32)(size_t n, size_t rows, size_t in, size_t out, const float *x, size_t x_pitch, const float *w,
                        const float *b, enum tsad_activation act, float *y, size_t y_pitch);

/*
 * lstm.c: x (steps, in) -> the hidden states y (steps, hidden), or only the last one (hidden) when last is 1.
 * h0 and c0 (hidden) may be NULL: zero. scratch: 6 * hidden floats.
 */
void TSAD_K(lstm_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                      const float *w_ih, const float *w_hh, const float *b, const float *h0, const float *c0, float *y,
                      size_t y_pitch, float *scratch);

/* unary.c: y = f(x), `count` elements a window */
void TSAD_K(relu_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch);
void TSAD_K(leaky_relu_f32)(size_t n, size_t count, float slope, const float *x, size_t x_pitch, float *y,
                            size_t y_pitch);
void TSAD_K(tanh_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch);
void TSAD_K(sigmoid_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch);
void TSAD_K(exp_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch);
void TSAD_K(abs_f32)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch);

/*
 * binary.c: y (d0, d1, d2) = a op b; a and b are walked with their own three strides (0 repeats), y is dense.
 * y may alias a or b only where that operand is dense too.
 */
void TSAD_K(add_f32)(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3], const float *b,
                     size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch);
void TSAD_K(sub_f32)(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3], const float *b,
                     size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch);
void TSAD_K(mul_f32)(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3], const float *b,
                     size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch);
void TSAD_K(div_f32)(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3], const float *b,
                     size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch);

/* reduce.c: y (outer, inner) = scale * sum, or max, over the middle axis of x (outer, reduced, inner) */
void TSAD_K(sum_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch);
void TSAD_K(max_f32)(size_t n, size_t outer, size_t reduced, size_t inner, const float *x, size_t x_pitch, float *y,
                     size_t y_pitch);

/* copy.c: y (d0, d1, d2) with strides ys = x with strides xs: transpose, slice, repeat, one piece of a concatenation */
void TSAD_K(copy_f32)(size_t n, const size_t d[3], const float *x, size_t x_pitch, const size_t xs[3], float *y,
                      size_t y_pitch, const size_t ys[3]);

#endif
