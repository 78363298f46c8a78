/*
 * kernels_s16.h - the part of kernels.h that computes with integers: s16 values, s8 weights, s32 sums.
 *
 * Values are symmetric (no zero point) and lie within +-limit, at most 32767. Four rows of weights make a panel; rows
 * that fill none follow one by one; groups lie apart. A row's sum begins with its bias and cannot overflow: the
 * compiler proves that of its constants. Multiplier m and shift of a row, or a float scale, make a value of it
 * (integer.h); `act` and `fraction` are those of codegen/ops/matrix_s8.py. The bits are the same on every target, under
 * any flags.
 */
#ifndef TSAD_KERNELS_S16_H
#define TSAD_KERNELS_S16_H

/* edges_s16.c: slot[c] = (sample[c] - table[c]) * table[channels + c], rounded */
void TSAD_K(enter_s16)(size_t channels, const float *sample, const float *table, int32_t limit, int16_t *slot);

/* edges_s16.c: y (d0, d1, d2), dense, = x * scale, x with strides xs */
void TSAD_K(quantise_s16)(size_t n, const size_t d[3], const float *x, size_t x_pitch, const size_t xs[3], float scale,
                          int32_t limit, int16_t *y, size_t y_pitch);
void TSAD_K(dequantise_s16)(size_t n, const size_t d[3], const int16_t *x, size_t x_pitch, const size_t xs[3],
                            float scale, float *y, size_t y_pitch);

/*
 * panels.c: what all matrix products call: acc[4 p + r] = b[4 p + r] + x (in) . row r of panel p, for its four rows; w
 * is aligned to 4 bytes, x to 2. Of every four columns each row's bytes lie in turn, in the order 0 2 1 3; then come
 * the columns that are left, four bytes each.
 */
void TSAD_K(add_panels_s8)(size_t panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b, int32_t *acc);

/*
 * rows.c: sums of x (in) with the next rows of w, from their biases on, of which `left` are left: of some panels, or of
 * the one row that is next where no four are left. Returns how many.
 */
enum { TSAD_ROWS = 48 };
size_t TSAD_K(next_rows_s8)(size_t left, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                            int32_t acc[TSAD_ROWS]);

/* settle.c: y (count) = act(acc * m / 2^(32 + shift)), or act(acc * scale); for a sigmoid or tanh m makes units of
 * 2^-fraction, and scale has the factor 2^16 in it */
void TSAD_K(settle_s16)(size_t count, const int32_t *acc, const int32_t *m, const int8_t *shift,
                        enum tsad_activation act, int fraction, int32_t limit, int16_t *y);
void TSAD_K(settle_f32)(size_t count, const int32_t *acc, const float *scale, enum tsad_activation act, float *y);

/* linear_s8.c: y (rows, out) = act(x (rows, in) . w + b); w (out, in), b, m, shift, scale (out) */
void TSAD_K(linear_s8_s16)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const int32_t *m, const int8_t *shift,
                           enum tsad_activation act, int fraction, int32_t limit, int16_t *y, size_t y_pitch);
void TSAD_K(linear_s8_f32)(size_t n, size_t rows, size_t in, size_t out, const int16_t *x, size_t x_pitch,
                           const int8_t *w, const int32_t *b, const float *scale, enum tsad_activation act, float *y,
                           size_t y_pitch);

/* conv1d_s8.c: as conv1d_f32; w (out, taps, in / groups). scratch: taps * in / groups values */
void TSAD_K(conv1d_s8_s16)(size_t n, size_t rows, size_t steps, size_t in, size_t out_steps, size_t out, size_t taps,
                           size_t stride, size_t dilation, size_t before, size_t groups, const int16_t *x,
                           size_t x_pitch, const size_t xs[3], const int8_t *w, const int32_t *b, const int32_t *m,
                           const int8_t *shift, enum tsad_activation act, int fraction, int32_t limit, int16_t *y,
                           size_t y_pitch, int16_t *scratch);
void TSAD_K(conv1d_s8_f32)(size_t n, size_t rows, size_t steps, size_t in, size_t out_steps, size_t out, size_t taps,
                           size_t stride, size_t dilation, size_t before, size_t groups, const int16_t *x,
                           size_t x_pitch, const size_t xs[3], const int8_t *w, const int32_t *b, const float *scale,
                           enum tsad_activation act, float *y, size_t y_pitch, int16_t *scratch);

/*
 * lstm_s8.c, gru_s8.c: as lstm_f32 and gru_f32, from zero states; both biases apart, each with the sum it belongs to.
 * Gates are summed on a grid of 2^-fraction, an LSTM's cells are in units of 2^-cell, states of 2^-15.
 * scratch: 6 * hidden values, a GRU's 4 * hidden
 */
void TSAD_K(lstm_s8)(size_t n, size_t steps, size_t in, size_t hidden, int last, const int16_t *x, size_t x_pitch,
                     const int8_t *w_ih, const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh,
                     const int32_t *m_ih, const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction,
                     int cell, int16_t *y, size_t y_pitch, int16_t *scratch);
void TSAD_K(gru_s8)(size_t n, size_t steps, size_t in, size_t hidden, int last, const int16_t *x, size_t x_pitch,
                    const int8_t *w_ih, const int8_t *w_hh, const int32_t *b_ih, const int32_t *b_hh,
                    const int32_t *m_ih, const int8_t *s_ih, const int32_t *m_hh, const int8_t *s_hh, int fraction,
                    int16_t *y, size_t y_pitch, int16_t *scratch);

/* pointwise_s16.c: y = f(x), `count` values a window; y may be x. tanh and sigmoid are those of x * m / 2^(19 + shift)
 */
void TSAD_K(relu_s16)(size_t n, size_t count, const int16_t *x, size_t x_pitch, int16_t *y, size_t y_pitch);
void TSAD_K(leaky_relu_s16)(size_t n, size_t count, int32_t slope, const int16_t *x, size_t x_pitch, int16_t *y,
                            size_t y_pitch);
void TSAD_K(tanh_s16)(size_t n, size_t count, int32_t m, int shift, int fraction, const int16_t *x, size_t x_pitch,
                      int16_t *y, size_t y_pitch);
void TSAD_K(sigmoid_s16)(size_t n, size_t count, int32_t m, int shift, int fraction, const int16_t *x, size_t x_pitch,
                         int16_t *y, size_t y_pitch);

/* binary_s16.c: y (d0, d1, d2), dense, of a and b with strides of their own; y may alias one that is dense */
void TSAD_K(add_s16)(size_t n, const size_t d[3], const int16_t *a, size_t a_pitch, const size_t as[3],
                     const int16_t *b, size_t b_pitch, const size_t bs[3], int32_t left, int32_t right, int shift,
                     int32_t limit, int16_t *y, size_t y_pitch);
void TSAD_K(mul_s16)(size_t n, const size_t d[3], const int16_t *a, size_t a_pitch, const size_t as[3],
                     const int16_t *b, size_t b_pitch, const size_t bs[3], int32_t m, int shift, int32_t limit,
                     int16_t *y, size_t y_pitch);

/* softmax_s16.c: as softmax_f32, of x * m / 2^(19 + shift) * log(2) / 2^16; reduced is at most 1024; y may be x */
void TSAD_K(softmax_s16)(size_t n, size_t outer, size_t reduced, size_t inner, int32_t m, int shift, const int16_t *x,
                         size_t x_pitch, int16_t *y, size_t y_pitch);

/*
 * normalise_s16.c: y (rows, width) = (x - mean) / sqrt(variance + eps / width^2), or with the mean taken as 0, in units
 * of 2^(magnitude - 15), 2^magnitude being above all that can come out: sqrt(width). width is at most 512, eps from 1
 * to width^2 * 2^30; y may be x
 */
void TSAD_K(normalise_s16)(size_t n, size_t rows, size_t width, int centred, uint64_t eps, int magnitude,
                           const int16_t *x, size_t x_pitch, int16_t *y, size_t y_pitch);

/* bmm_s16.c: as bmm_f32, with all strides of b too; y = sum / 2^sum_shift * m / 2^(32 + shift), rounded twice */
void TSAD_K(bmm_s16)(size_t n, size_t count, size_t rows, size_t in, size_t out, const int16_t *a, size_t a_pitch,
                     const size_t as[3], const int16_t *b, size_t b_pitch, const size_t bs[3], int sum_shift, int32_t m,
                     int shift, int32_t limit, int16_t *y, size_t y_pitch);

/* moves_s16.c: as copy_f32 and max_pool_f32 */
void TSAD_K(copy_s16)(size_t n, const size_t d[3], const int16_t *x, size_t x_pitch, const size_t xs[3], int16_t *y,
                      size_t y_pitch, const size_t ys[3]);

/* keep.c: as keep_f32 */
void TSAD_K(keep_s16)(size_t n, size_t steps, size_t size, const int16_t *x, size_t x_pitch, int16_t *y,
                      size_t y_pitch);
void TSAD_K(max_pool_s16)(size_t n, size_t rows, size_t steps, size_t channels, size_t out_steps, size_t taps,
                          size_t stride, size_t dilation, size_t before, const int16_t *x, size_t x_pitch,
                          const size_t xs[3], int16_t *y, size_t y_pitch);

#endif
