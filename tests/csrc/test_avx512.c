/* All that test_avx2.c asks for, of the kernels for AVX-512; beside those for AVX2, whose bits float sums have. */
#define FAST_AVX512
#include "test_avx2.c"
