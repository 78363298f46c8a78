/*
 * many.c - sums of many lines on x86 with AVX2 and FMA: vectors of eight outputs.
 */
#include <immintrin.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8, HALF = 0 };
typedef __m256 vector;
typedef __m256i lanes;

/* The first `count` lanes, at most all of them. */
INLINE lanes first_lanes(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), lane);
}

INLINE vector load(const float *from, int part, lanes rest) {
    return part ? _mm256_maskload_ps(from, rest) : _mm256_loadu_ps(from);
}

INLINE void store(float *to, int part, size_t rest, vector from) {
    if (part && rest < LANES)
        _mm256_maskstore_ps(to, first_lanes(rest), from);
    else
        _mm256_storeu_ps(to, from);
}

INLINE vector spread(float value) { return _mm256_set1_ps(value); }
INLINE vector add_product(int half, vector a, vector b, vector sum) {
    (void)half;
    return _mm256_fmadd_ps(a, b, sum);
}

#include "tiles.h"
