/*
 * many.c - sums of many lines on x86 with AVX-512: vectors of sixteen outputs. The bits are those of avx2/many.c.
 */
#include <immintrin.h>
#include <stddef.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, HALF = 8 };
typedef __m512 vector;
typedef __mmask16 lanes;

/* The first `count` lanes, at most all of them. */
INLINE lanes first_lanes(size_t count) { return (lanes)(count < LANES ? (1u << count) - 1 : 0xffffu); }

INLINE vector load(const float *from, int part, lanes rest) {
    return part ? _mm512_maskz_loadu_ps(rest, from) : _mm512_loadu_ps(from);
}

INLINE void store(float *to, int part, size_t rest, vector from) {
    if (part)
        _mm512_mask_storeu_ps(to, first_lanes(rest), from);
    else
        _mm512_storeu_ps(to, from);
}

INLINE vector spread(float value) { return _mm512_set1_ps(value); }
/* Where the upper half is nobody's: many processors take half the time then. */
INLINE vector add_product(int half, vector a, vector b, vector sum) {
    return half ? _mm512_castps256_ps512(_mm256_fmadd_ps(_mm512_castps512_ps256(a), _mm512_castps512_ps256(b),
                                                         _mm512_castps512_ps256(sum)))
                : _mm512_fmadd_ps(a, b, sum);
}

#include "../avx2/tiles.h"
