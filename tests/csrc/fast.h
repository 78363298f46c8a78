/*
 * fast.h - the kernels that a test holds to the portable ones: FAST(name) is tsad_<name> for AVX2, or, where
 * FAST_AVX512 is defined, for AVX-512.
 */
#ifndef TSAD_TEST_FAST_H
#define TSAD_TEST_FAST_H

#include "kernels.h"

#include <stdio.h>

enum { SKIPPED = 77 };

#define AVX2(name) tsad_##name##_avx2
#ifdef FAST_AVX512
#define FAST(name) tsad_##name##_avx512
#define DECLARE(name) extern __typeof__(TSAD_K(name)) FAST(name), AVX2(name)
#else
#define FAST(name) AVX2(name)
#define DECLARE(name) extern __typeof__(TSAD_K(name)) FAST(name)
#endif

/* Whether this machine runs them; says so where it does not. */
static int runs_here(void) {
    __builtin_cpu_init();
    int runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#ifdef FAST_AVX512
    runs = runs && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
#endif
    if (!runs)
        puts("this machine does not run them");
    return runs;
}

#endif
