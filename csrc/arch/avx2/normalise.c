/*
 * normalise.c - norms of rows on x86 with AVX2: eight rows at once, whose sums would else wait for themselves.
 * Order and rounding are those of kernels/normalise.c, and so are the bits.
 */
#include "functions.h"
#include "kernels.h"

#include <immintrin.h>

enum { ROWS = 8, PAIRS = ROWS / 2 };

/* Of each of eight rows: the rounded mean, the mean of what then remains, and the sum that was asked for last. */
typedef struct centres {
    float mean[ROWS], rest[ROWS], sum[ROWS];
} centres;

static inline float from_centre(float x, float mean, float rest) { return (x - mean) - rest; }

/* A value of the row in either half. */
static inline __m256 halves(float low, float high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_set1_ps(low)), _mm_set1_ps(high), 1);
}

/* Sums of the distances from the centres, or of their squares: four a row, of every fourth term, added in the end. */
static inline void distances(size_t count, const float *const *x, centres *c, int square) {
    __m256 sum[PAIRS], mean[PAIRS], rest[PAIRS];
    const __m128i left = _mm_cmpgt_epi32(_mm_set1_epi32((int)(count % 4)), _mm_setr_epi32(0, 1, 2, 3));
    const __m256 inside = _mm256_castsi256_ps(_mm256_set_m128i(left, left));
    for (int p = 0; p < PAIRS; p++) {
        sum[p] = _mm256_setzero_ps();
        mean[p] = halves(c->mean[2 * p], c->mean[2 * p + 1]);
        rest[p] = halves(c->rest[2 * p], c->rest[2 * p + 1]);
    }
    for (size_t k = 0; k < count; k += 4)
        for (int p = 0; p < PAIRS; p++) {
            const float *low = x[2 * p] + k, *high = x[2 * p + 1] + k;
            const int whole = k + 4 <= count;
            const __m128 first = whole ? _mm_loadu_ps(low) : _mm_maskload_ps(low, left);
            const __m128 second = whole ? _mm_loadu_ps(high) : _mm_maskload_ps(high, left);
            const __m256 both = _mm256_insertf128_ps(_mm256_castps128_ps256(first), second, 1);
            __m256 d = _mm256_sub_ps(_mm256_sub_ps(both, mean[p]), rest[p]);
            d = whole ? d : _mm256_and_ps(d, inside);
            sum[p] = _mm256_add_ps(sum[p], square ? _mm256_mul_ps(d, d) : d);
        }
    for (int p = 0; p < PAIRS; p++) {
        const __m256 pairs = _mm256_hadd_ps(sum[p], sum[p]), each = _mm256_hadd_ps(pairs, pairs);
        c->sum[2 * p] = _mm256_cvtss_f32(each);
        c->sum[2 * p + 1] = _mm_cvtss_f32(_mm256_extractf128_ps(each, 1));
    }
}

static void find_centres(size_t count, const float *const *x, centres *c) {
    const float share = 1.0f / (float)count;
    distances(count, x, c, 0);
    for (int r = 0; r < ROWS; r++)
        c->mean[r] = c->sum[r] * share;
    distances(count, x, c, 0);
    for (int r = 0; r < ROWS; r++)
        c->rest[r] = c->sum[r] * share;
}

void TSAD_K(normalise_f32)(size_t n, size_t rows, size_t width, int centred, float eps, const float *x, size_t x_pitch,
                           const float *w, const float *b, float *y, size_t y_pitch) {
    for (size_t row = 0; row < n * rows; row += ROWS) {
        /* What fills the last eight is its last row. */
        const size_t count = n * rows - row < ROWS ? n * rows - row : (size_t)ROWS;
        const float *from[ROWS];
        float scale[ROWS];
        centres c = {{0.0f}, {0.0f}, {0.0f}};
        for (size_t r = 0; r < ROWS; r++) {
            const size_t at = row + (r < count ? r : count - 1);
            from[r] = x + at / rows * x_pitch + at % rows * width;
        }
        if (centred)
            find_centres(width, from, &c);
        distances(width, from, &c, 1);
        for (size_t r = 0; r < ROWS; r++)
            scale[r] = tsad_rsqrt(c.sum[r] * (1.0f / (float)width) + eps);
        for (size_t r = 0; r < count; r++) {
            float *to = y + (row + r) / rows * y_pitch + (row + r) % rows * width;
            for (size_t k = 0; k < width; k++) {
                float value = from_centre(from[r][k], c.mean[r], c.rest[r]) * scale[r];
                value = w != NULL ? value * w[k] : value;
                to[k] = b != NULL ? value + b[k] : value;
            }
        }
    }
}
