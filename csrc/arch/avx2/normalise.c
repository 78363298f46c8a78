/*
 * normalise.c - norms of rows on x86 with AVX2: eight rows at once, whose sums would else wait for themselves.
 * Order and rounding are those of kernels/normalise.c, and so are the bits.
 */
#include "eight.h"

enum { ROWS = 16, PAIRS = ROWS / 2, FOURS = PAIRS / 4 };

/* A value of each row: of every eight rows, the even ones and then the odd ones. */
typedef union each_row {
    __m256 eight[FOURS];
    float of[ROWS];
} each_row;

TSAD_INLINE float of_row(const each_row *values, size_t r) { return values->of[r / 8 * 8 + r % 8 / 2 + r % 2 * 4]; }

/* What is summed: the values, their distances from the mean, or the squares of these from mean and rest. */
enum term { VALUES, DISTANCES, SQUARES };

/* Four values of two rows each. */
TSAD_INLINE __m256 term_of(enum term what, __m128 even, __m128 odd, __m256 mean, __m256 rest) {
    const __m256 x = _mm256_insertf128_ps(_mm256_castps128_ps256(even), odd, 1);
    if (what == VALUES)
        return x;
    const __m256 d = _mm256_sub_ps(x, mean);
    if (what == DISTANCES)
        return d;
    const __m256 exact = _mm256_sub_ps(d, rest);
    return _mm256_mul_ps(exact, exact);
}

/* The means: four sums a row, of every fourth term, added in the end. */
TSAD_INLINE void find_means(int pairs, enum term what, size_t count, const float *const *x, const each_row *mean,
                            const each_row *rest, each_row *found) {
    __m256 sum[PAIRS], means[PAIRS], rests[PAIRS];
    size_t k = 0;
    for (int p = 0; p < pairs; p++) {
        sum[p] = _mm256_setzero_ps();
        means[p] = _mm256_permutevar_ps(mean->eight[p / 4], _mm256_set1_epi32(p % 4));
        rests[p] = _mm256_permutevar_ps(rest->eight[p / 4], _mm256_set1_epi32(p % 4));
    }
    for (; k + 4 <= count; k += 4)
        for (int p = 0; p < pairs; p++)
            sum[p] = _mm256_add_ps(
                sum[p], term_of(what, _mm_loadu_ps(x[2 * p] + k), _mm_loadu_ps(x[2 * p + 1] + k), means[p], rests[p]));
    if (k < count) {
        const __m128i left = _mm256_castsi256_si128(tsad_first_lanes(count - k));
        const __m256 inside = _mm256_castsi256_ps(_mm256_set_m128i(left, left));
        for (int p = 0; p < pairs; p++)
            sum[p] = _mm256_add_ps(
                sum[p], _mm256_and_ps(inside, term_of(what, _mm_maskload_ps(x[2 * p] + k, left),
                                                      _mm_maskload_ps(x[2 * p + 1] + k, left), means[p], rests[p])));
    }
    for (int p = 0; p < pairs; p += 4)
        found->eight[p / 4] =
            _mm256_mul_ps(_mm256_hadd_ps(_mm256_hadd_ps(sum[p], sum[p + 1]), _mm256_hadd_ps(sum[p + 2], sum[p + 3])),
                          _mm256_set1_ps(1.0f / (float)count));
}

/* tsad_rsqrt of functions.h */
TSAD_INLINE __m256 rsqrt_eight(__m256 x) {
    const __m256 half = _mm256_set1_ps(0.5f), zero = _mm256_setzero_ps();
    const __m256 tiny = _mm256_cmp_ps(x, _mm256_set1_ps(1.17549435e-38f), _CMP_LT_OQ);
    const __m256 v = _mm256_blendv_ps(x, _mm256_mul_ps(x, _mm256_set1_ps(16777216.0f)), tiny);
    const __m256 half_v = _mm256_mul_ps(half, v);
    __m256 y = _mm256_castsi256_ps(
        _mm256_sub_epi32(_mm256_set1_epi32(0x5f3759df), _mm256_srli_epi32(_mm256_castps_si256(v), 1)));
    for (int step = 0; step < 3; step++)
        y = _mm256_mul_ps(y, _mm256_sub_ps(_mm256_set1_ps(1.5f), _mm256_mul_ps(_mm256_mul_ps(half_v, y), y)));
    __m256 s = _mm256_mul_ps(v, y);
    s = _mm256_mul_ps(_mm256_add_ps(s, _mm256_div_ps(v, s)), half);
    s = _mm256_blendv_ps(s, _mm256_mul_ps(s, _mm256_set1_ps(2.44140625e-4f)), tiny);
    s = _mm256_blendv_ps(s, x,
                         _mm256_or_ps(_mm256_cmp_ps(x, _mm256_set1_ps(3.40282347e+38f), _CMP_GT_OQ),
                                      _mm256_cmp_ps(x, zero, _CMP_EQ_OQ)));
    s = _mm256_blendv_ps(s, _mm256_set1_ps(__builtin_nanf("")), _mm256_cmp_ps(x, zero, _CMP_LT_OQ));
    return _mm256_div_ps(_mm256_set1_ps(1.0f), s);
}

/* Eight values of a row's result, or what is left of it. */
TSAD_INLINE void write_eight(size_t left, const float *x, __m256 mean, __m256 rest, __m256 scale, const float *w,
                             const float *b, float *y) {
    __m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_sub_ps(tsad_load_eight(left, x), mean), rest), scale);
    v = w != NULL ? _mm256_mul_ps(v, tsad_load_eight(left, w)) : v;
    v = b != NULL ? _mm256_add_ps(v, tsad_load_eight(left, b)) : v;
    tsad_store_eight(left, y, v);
}

TSAD_INLINE void write_row(size_t count, const float *x, float mean, float rest, float scale, const float *w,
                           const float *b, float *y) {
    const __m256 means = _mm256_set1_ps(mean), rests = _mm256_set1_ps(rest), scales = _mm256_set1_ps(scale);
    size_t k = 0;
    if (w == NULL && b == NULL)
        for (; k + TSAD_EIGHT <= count; k += TSAD_EIGHT)
            write_eight(TSAD_EIGHT, x + k, means, rests, scales, NULL, NULL, y + k);
    for (; k < count; k += TSAD_EIGHT)
        write_eight(count - k, x + k, means, rests, scales, w != NULL ? w + k : NULL, b != NULL ? b + k : NULL, y + k);
}

/* Up to two rows a pair. */
TSAD_INLINE void normalise_rows(int pairs, size_t rows, size_t width, int centred, float eps, const float *const *x,
                                const float *w, const float *b, float *const *y) {
    each_row mean = {{_mm256_setzero_ps(), _mm256_setzero_ps()}}, rest = mean, scale;
    if (centred) {
        find_means(pairs, VALUES, width, x, &mean, &rest, &mean);
        find_means(pairs, DISTANCES, width, x, &mean, &rest, &rest);
    }
    find_means(pairs, SQUARES, width, x, &mean, &rest, &scale);
    for (int p = 0; p < pairs; p += 4)
        scale.eight[p / 4] = rsqrt_eight(_mm256_add_ps(scale.eight[p / 4], _mm256_set1_ps(eps)));
    for (size_t r = 0; r < rows; r++)
        write_row(width, x[r], of_row(&mean, r), of_row(&rest, r), of_row(&scale, r), w, b, y[r]);
}

void TSAD_K(normalise_f32)(size_t n, size_t rows, size_t width, int centred, float eps, const float *x, size_t x_pitch,
                           const float *w, const float *b, float *y, size_t y_pitch) {
    size_t window = 0, row = 0;
    while (window < n) {
        const float *from[ROWS];
        float *to[ROWS];
        size_t count = 0;
        for (; count < ROWS && window < n; count++) {
            from[count] = x + row * width;
            to[count] = y + row * width;
            if (++row == rows) {
                row = 0;
                window++;
                x += x_pitch;
                y += y_pitch;
            }
        }
        for (size_t r = count; r < ROWS; r++) /* what fills the last ones is the last row */
            from[r] = from[count - 1];
        if (count > ROWS / 2)
            normalise_rows(PAIRS, count, width, centred, eps, from, w, b, to);
        else
            normalise_rows(PAIRS / 2, count, width, centred, eps, from, w, b, to);
    }
}
