/*
 * limits.c - what a core does at most: multiply-adds, in chains long enough to fill it, in registers; and bytes read.
 * For limits.py, which compiles it for AVX2 and for AVX-512.
 */
#include <immintrin.h>
#include <stddef.h>

enum { CHAINS = 12 }; /* more than a multiply-add's latency times two, and few enough for 16 registers */

#ifdef __AVX512VNNI__
typedef __m512 floats;
typedef __m512i integers;
#define ADD_FLOATS(sum, x, w) _mm512_fmadd_ps(x, w, sum)
#define ADD_INTEGERS(sum, x, w) _mm512_dpwssd_epi32(sum, x, w)
#define SPREAD_FLOAT _mm512_set1_ps
#define SPREAD_S16 _mm512_set1_epi16
#define LOAD(from) _mm512_loadu_si512(from)
#else
typedef __m256 floats;
typedef __m256i integers;
#define ADD_FLOATS(sum, x, w) _mm256_fmadd_ps(x, w, sum)
#define ADD_INTEGERS(sum, x, w) _mm256_add_epi32(sum, _mm256_madd_epi16(x, w))
#define SPREAD_FLOAT _mm256_set1_ps
#define SPREAD_S16 _mm256_set1_epi16
#define LOAD(from) _mm256_loadu_si256((const __m256i *)(from))
#endif
#define STAYS(x) __asm__ volatile("" : "+v"(x)) /* no product is the last one's, and no sum is left out */

/* As f32 kernels do them; how many a round. */
int f32(long rounds) {
    floats sum[CHAINS], x = SPREAD_FLOAT(1.0F), w = SPREAD_FLOAT(1e-9F);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++)
        sum[c] = SPREAD_FLOAT(0.0F);
    for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = ADD_FLOATS(sum[c], x, w);
            STAYS(sum[c]);
        }
    }
    return CHAINS * (int)(sizeof(floats) / 4);
}

/* As exact products of s16 values and widened s8 weights need them */
int int8(long rounds) {
    integers sum[CHAINS], x = SPREAD_S16(1), w = SPREAD_S16(3);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++)
        sum[c] = SPREAD_S16(0);
    for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            STAYS(x);
            sum[c] = ADD_INTEGERS(sum[c], x, w);
            STAYS(sum[c]);
        }
    }
    return CHAINS * (int)(sizeof(integers) / 2);
}

/* Reads so many bytes, a multiple of 256, again and again. */
void reading(const char *from, size_t size, long rounds) {
    for (long round = 0; round < rounds; round++)
        for (size_t at = 0; at < size; at += 256)
#pragma GCC unroll 8
            for (size_t part = 0; part < 256; part += sizeof(integers)) {
                integers there = LOAD(from + at + part);
                STAYS(there);
            }
}
