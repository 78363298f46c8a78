/*
 * limits.c - what a core multiplies and adds at most: chains long enough to fill it, in registers. For limits.py.
 */
#include <immintrin.h>

enum { CHAINS = 12 }; /* more than an FMA's latency times two, and few enough for 16 registers */

/* 8 multiply-adds a chain and round, as f32 kernels do them */
void f32(long rounds) {
    __m256 sum[CHAINS], x = _mm256_set1_ps(1.0F), w = _mm256_set1_ps(1e-9F);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm256_setzero_ps();
    for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = _mm256_fmadd_ps(x, w, sum[c]);
            __asm__ volatile("" : "+x"(sum[c]));
        }
    }
}

/* 16 a chain and round, as exact products of s16 values and widened s8 weights need them */
void int8(long rounds) {
    __m256i sum[CHAINS], x = _mm256_set1_epi16(1), w = _mm256_set1_epi16(3);
#pragma GCC unroll 12
    for (int c = 0; c < CHAINS; c++)
        sum[c] = _mm256_setzero_si256();
    for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            __asm__ volatile("" : "+x"(x)); /* no product is the last one's */
            sum[c] = _mm256_add_epi32(sum[c], _mm256_madd_epi16(x, w));
            __asm__ volatile("" : "+x"(sum[c]));
        }
    }
}
