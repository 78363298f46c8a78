/* All that test_avx2_integers.c asks for, of the kernels for AVX-512. */
#define FAST_AVX512
#include "test_avx2_integers.c"
