/*
 * kernels.h - the contract between generated programs and the kernels they call.
 *
 * Every kernel works on n windows at once. A tensor of n windows is a pointer and a *pitch*: the number of elements
 * from one window's first element to the next one's. Inside a window a tensor is dense and row-major unless strides
 * are given. The window's own slots have a pitch of one slot (windows overlap); constants have a pitch of 0.
 *
 *   aliasing    y may be x itself (same pointer, same pitch) in elementwise kernels and where it is said; otherwise
 *               outputs and scratch overlap nothing
 *   alignment   f32, s32 and s8 pointers are aligned to 4 bytes, s16 ones to 2, no more
 *   tail reads  no kernel reads past the last element it is given
 *   layout      "generic": linear weights are packed (in, out), conv1d weights (taps, in / groups, out), lstm weights
 *               (in, 4*hidden) and (hidden, 4*hidden), gates in the order i f g o, gru weights (in, 3*hidden) and
 *               (hidden, 3*hidden), gates in the order r z n; no padding
 *   order       each sum runs over its terms in index order, starting from the bias (0 without one), and products are
 *               rounded before they are added: build with -ffp-contract=off. So every target gives the same bits.
 *               (centre.h and shares.h add every fourth term, and these four sums then in pairs.) Overlays avx2
 *               and avx512, whose bits are the same, do not round the products of float matrices, and of at most 16
 *               outputs add every fourth term like these; still a window's score is the same in every batch.
 *
 * Portable C99; a faster file of the same name in arch/<isa>/ may replace one of these.
 */
#ifndef TSAD_KERNELS_H
#define TSAD_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus /* it has another word, and warns of fields that are left at zero, as C does not */
#define restrict __restrict
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif

/* How this build's kernels want weights packed. A generated program asks for its own layout by name, or is refused. */
#define TSAD_LAYOUT_GENERIC 1

/* A host library holds one program per ISA side by side: the build gives all but the first a suffix, _avx2 or _avx512;
 * the first has the weights. */
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
void tsad_tap(int32_t id, const void *data, size_t count, size_t width);
#define TSAD_TAP(id, data, count) tsad_tap((id), (data), (count), sizeof *(data))
#else
#define TSAD_TAP(id, data, count) ((void)0)
#endif

enum tsad_activation { TSAD_ACT_NONE, TSAD_ACT_RELU, TSAD_ACT_TANH, TSAD_ACT_SIGMOID };

/* enter.c: slot[c] = (sample[c] - table[c]) * table[channels + c] */
void TSAD_K(enter_f32)(size_t channels, const float *sample, const float *table, float *slot);

/*
 * lines.c: what all matrix products call: y[l] (out) = b (out) + x[l] (in) . w (in, out) for each line l, or where b is
 * NULL y[l] += x[l] . w. There is an input at least; elements of x are `step` apart, rows of w `row`. y[l] may be b.
 */
void TSAD_K(add_lines_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                           size_t row, const float *b, float *const *y);

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

/*
 * gru.c: the same for a GRU, whose two biases (3 * hidden) stay apart; either may be NULL. scratch: 7 * hidden floats.
 */
void TSAD_K(gru_f32)(size_t n, size_t steps, size_t in, size_t hidden, int last, const float *x, size_t x_pitch,
                     const float *w_ih, const float *w_hh, const float *b_ih, const float *b_hh, const float *h0,
                     float *y, size_t y_pitch, float *scratch);

/*
 * Of streams only: one window (n is 1), which is one sample; y, h and c stay as they are until the next one.
 *
 * keep.c: y (steps, size) moves up by a step, and its last one becomes x (size).
 *
 * flight.c: one layer for the windows under way: row r of h and c (steps, hidden) is the window that began r samples
 * ago. It sees row r of x (steps, in), or where `same` is 1 the one x (in). scratch, in floats: with m the smaller of
 * steps and 40, lstm (4 * m + 6) * hidden, gru (6 * m + 4) * hidden.
 *
 * flight.c, too: linear_flight is linear_f32 of one row on the last `steps` samples x (in); there are more than 16 of
 * them, as of outputs. kept, in floats: 2 + 32 * in + (steps - 1) * out, zeros at first.
 */
void TSAD_K(keep_f32)(size_t n, size_t steps, size_t size, const float *x, size_t x_pitch, float *y, size_t y_pitch);
void TSAD_K(lstm_flight_f32)(size_t n, size_t steps, int same, size_t in, size_t hidden, const float *x, size_t x_pitch,
                             const float *w_ih, const float *w_hh, const float *b, const float *h0, const float *c0,
                             float *h, size_t h_pitch, float *c, float *scratch);
void TSAD_K(gru_flight_f32)(size_t n, size_t steps, int same, size_t in, size_t hidden, const float *x, size_t x_pitch,
                            const float *w_ih, const float *w_hh, const float *b_ih, const float *b_hh, const float *h0,
                            float *h, size_t h_pitch, float *scratch);
void TSAD_K(linear_flight_f32)(size_t n, size_t steps, size_t in, size_t out, const float *x, size_t x_pitch,
                               const float *w, const float *b, enum tsad_activation act, float *y, size_t y_pitch,
                               float *kept);

/*
 * conv1d.c: x (rows, steps, in) with strides xs -> y (rows, out_steps, out) = act(x * w + b), dense. Output t sees the
 * steps t * stride + tap * dilation - before; beyond x's they are zeros. b (out) may be NULL. Terms of a sum: tap by
 * tap, channel by channel. Channels fall into `groups`, each with its own outputs.
 */
void TSAD_K(conv1d_f32)(size_t n, size_t rows, size_t steps, size_t in, size_t out_steps, size_t out, size_t taps,
                        size_t stride, size_t dilation, size_t before, size_t groups, const float *x, size_t x_pitch,
                        const size_t xs[3], const float *w, const float *b, enum tsad_activation act, float *y,
                        size_t y_pitch);

/*
 * pool.c: the same walk over (rows, steps, channels) for the maximum of the taps, or their mean: of all of them, zeros
 * included, when padded is 1, else of those that fall on steps. Each output must see a step at least.
 */
void TSAD_K(max_pool_f32)(size_t n, size_t rows, size_t steps, size_t channels, size_t out_steps, size_t taps,
                          size_t stride, size_t dilation, size_t before, const float *x, size_t x_pitch,
                          const size_t xs[3], float *y, size_t y_pitch);
void TSAD_K(mean_pool_f32)(size_t n, size_t rows, size_t steps, size_t channels, size_t out_steps, size_t taps,
                           size_t stride, size_t dilation, size_t before, int padded, const float *x, size_t x_pitch,
                           const size_t xs[3], float *y, size_t y_pitch);

/*
 * bmm.c: y (count, rows, out), dense, = a (count, rows, in) . b (count, in, out). a has strides as; b has strides bs,
 * and its rows are dense.
 */
void TSAD_K(bmm_f32)(size_t n, size_t count, size_t rows, size_t in, size_t out, const float *a, size_t a_pitch,
                     const size_t as[3], const float *b, size_t b_pitch, const size_t bs[2], float *y, size_t y_pitch);

/* unary.c: y = f(x), `count` elements a window; how exact each is, elementary.h and functions.h say */
#define TSAD_UNARY(op) void TSAD_K(op)(size_t n, size_t count, const float *x, size_t x_pitch, float *y, size_t y_pitch)
TSAD_UNARY(relu_f32);
TSAD_UNARY(tanh_f32);
TSAD_UNARY(sigmoid_f32);
TSAD_UNARY(exp_f32);
TSAD_UNARY(abs_f32);
TSAD_UNARY(sign_f32);
TSAD_UNARY(floor_f32);
TSAD_UNARY(round_f32);
TSAD_UNARY(sqrt_f32);
TSAD_UNARY(rsqrt_f32);
TSAD_UNARY(log_f32);
TSAD_UNARY(log1p_f32);
TSAD_UNARY(expm1_f32);
TSAD_UNARY(erf_f32);
TSAD_UNARY(gelu_f32);
TSAD_UNARY(gelu_tanh_f32);
TSAD_UNARY(silu_f32);
TSAD_UNARY(softplus_f32);
TSAD_UNARY(sin_f32);
TSAD_UNARY(cos_f32);
void TSAD_K(leaky_relu_f32)(size_t n, size_t count, float slope, const float *x, size_t x_pitch, float *y,
                            size_t y_pitch);

/*
 * binary.c: y (d0, d1, d2) = a op b; a and b are walked with their own three strides (0 repeats), y is dense.
 * y may alias a or b only where that operand is dense too. Comparisons are 1 where they hold and 0 where they do not.
 */
#define TSAD_BINARY(op)                                                                                                \
    void TSAD_K(op)(size_t n, const size_t d[3], const float *a, size_t a_pitch, const size_t as[3], const float *b,   \
                    size_t b_pitch, const size_t bs[3], float *y, size_t y_pitch)
TSAD_BINARY(add_f32);
TSAD_BINARY(sub_f32);
TSAD_BINARY(mul_f32);
TSAD_BINARY(div_f32);
TSAD_BINARY(maximum_f32);
TSAD_BINARY(minimum_f32);
TSAD_BINARY(less_f32);
TSAD_BINARY(less_equal_f32);
TSAD_BINARY(equal_f32);
TSAD_BINARY(not_equal_f32);

/* binary.c: y = a where c is not 0, else b; strides and aliasing as above */
void TSAD_K(where_f32)(size_t n, const size_t d[3], const float *c, size_t c_pitch, const size_t cs[3], const float *a,
                       size_t a_pitch, const size_t as[3], const float *b, size_t b_pitch, const size_t bs[3], float *y,
                       size_t y_pitch);

/* reduce.c: y (outer, inner) = scale * sum, or max, min, product, over the middle axis of x (outer, reduced, inner) */
void TSAD_K(sum_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch);
#define TSAD_REDUCTION(op)                                                                                             \
    void TSAD_K(op)(size_t n, size_t outer, size_t reduced, size_t inner, const float *x, size_t x_pitch, float *y,    \
                    size_t y_pitch)
TSAD_REDUCTION(max_f32);
TSAD_REDUCTION(min_f32);
TSAD_REDUCTION(prod_f32);

/* reduce.c: y (outer, summed, inner) = running sums along the middle axis; y may be x */
TSAD_REDUCTION(cumsum_f32);

/* variance.c: y (outer, inner) = scale * sum of squared distances from the mean, over the middle axis of x */
void TSAD_K(var_f32)(size_t n, size_t outer, size_t reduced, size_t inner, float scale, const float *x, size_t x_pitch,
                     float *y, size_t y_pitch);

/*
 * normalise.c: every row of x (rows, width) divided by the root of eps + its mean square, after its mean is subtracted
 * where centred is 1; then times w (width), plus b (width), either of which may be NULL. y may be x.
 */
void TSAD_K(normalise_f32)(size_t n, size_t rows, size_t width, int centred, float eps, const float *x, size_t x_pitch,
                           const float *w, const float *b, float *y, size_t y_pitch);

/*
 * softmax.c: y (outer, reduced, inner) = e^x over its sum along the middle axis, or the logarithm of that where log is
 * 1. y may be x.
 */
void TSAD_K(softmax_f32)(size_t n, size_t outer, size_t reduced, size_t inner, int log, const float *x, size_t x_pitch,
                         float *y, size_t y_pitch);

/* copy.c: y (d0, d1, d2) with strides ys = x with strides xs: transpose, slice, repeat, one piece of a concatenation */
void TSAD_K(copy_f32)(size_t n, const size_t d[3], const float *x, size_t x_pitch, const size_t xs[3], float *y,
                      size_t y_pitch, const size_t ys[3]);

#include "kernels_s16.h"

#endif
