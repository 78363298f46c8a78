/*
 * normalise_s16.c - rows brought to mean 0 and variance 1, or to mean square 1, on x86 with AVX2: eight elements at a
 * time, with the bits of kernels/normalise_s16.c. The processor's root stands for that of integer.h.
 */
#include "lanes.h"

/* d * factor is below 2^31, and d * factor * inverse / 2^46 the element. */
typedef struct scaling {
    int32_t factor, inverse;
} scaling;

/* The square root, rounded down, of an x from 2^62 on that ends in 14 zero bits: a double is x, and its root is rounded
 * up at most. */
static inline uint32_t root(uint64_t x) {
    const __m128d exact = _mm_set_sd((double)x);
    const uint64_t found = (uint64_t)_mm_cvtsd_f64(_mm_sqrt_sd(exact, exact));
    return (uint32_t)(found * found > x ? found - 1 : found);
}

/* By the square of what is to be divided by, from 1 on; elements are below 2^magnitude. */
static inline scaling find_scaling(uint64_t square, int magnitude) {
    const int lift = __builtin_clzll(square) / 2;
    const uint64_t inverse = ((uint64_t)1 << 62) / root(square << 2 * lift);
    const scaling found = {1 << (lift - 1 - magnitude), (int32_t)(inverse < INT32_MAX ? inverse : INT32_MAX)};
    return found;
}

static inline int64_t sum_of_four(__m256i x) {
    int64_t lanes[4];
    _mm256_storeu_si256((__m256i *)(void *)lanes, x);
    return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

/* What is the same for a row's elements: the sum is 0 where it is not to be subtracted. */
typedef struct norm {
    __m256i width, sum, factor, inverse;
} norm;

static inline void add_some(size_t count, const int16_t *x, __m256i *values, __m256i *squares) {
    const __m128i some = tsad8_some_packed_s16(x, count);
    *values = _mm256_add_epi64(*values, _mm256_cvtepi32_epi64(_mm_madd_epi16(some, _mm_set1_epi16(1))));
    *squares = _mm256_add_epi64(*squares, _mm256_cvtepu32_epi64(_mm_madd_epi16(some, some)));
}

static inline void normalise_some(size_t count, const norm *by, const int16_t *x, int16_t *y) {
    const __m256i distance = _mm256_sub_epi32(_mm256_mullo_epi32(tsad8_some_s16(x, count), by->width), by->sum);
    const __m256i spread = _mm256_mullo_epi32(distance, by->factor);
    tsad8_store_some_s16(y, count, tsad8_requantise(spread, by->inverse, _mm256_set1_epi32(14)));
}

/* One row; y may be x. */
static inline void normalise(size_t width, int centred, uint64_t eps, int magnitude, const int16_t *x, int16_t *y) {
    const size_t eights = width - width % TSAD_LANES;
    __m256i values = _mm256_setzero_si256(), squares = values;
    for (size_t k = 0; k < eights; k += TSAD_LANES)
        add_some(TSAD_LANES, x + k, &values, &squares);
    if (eights < width)
        add_some(width - eights, x + eights, &values, &squares);
    const int64_t sum = centred ? sum_of_four(values) : 0;
    const uint64_t square = (uint64_t)sum_of_four(squares) * width - (uint64_t)(sum * sum) + eps;
    const scaling found = find_scaling(square, magnitude);
    const norm by = {_mm256_set1_epi32((int32_t)width), _mm256_set1_epi32((int32_t)sum),
                     _mm256_set1_epi32(found.factor), _mm256_set1_epi32(found.inverse)};
    for (size_t k = 0; k < eights; k += TSAD_LANES)
        normalise_some(TSAD_LANES, &by, x + k, y + k);
    if (eights < width)
        normalise_some(width - eights, &by, x + eights, y + eights);
}

void TSAD_K(normalise_s16)(size_t n, size_t rows, size_t width, int centred, uint64_t eps, int magnitude,
                           const int16_t *x, size_t x_pitch, int16_t *y, size_t y_pitch) {
    for (size_t window = 0; window < n; window++)
        for (size_t row = 0; row < rows; row++)
            normalise(width, centred, eps, magnitude, x + window * x_pitch + row * width,
                      y + window * y_pitch + row * width);
}
