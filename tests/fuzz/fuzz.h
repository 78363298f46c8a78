/* What the fuzz targets share: an invariant that must hold, and values taken from the fuzzer's bytes. */
#ifndef TSAD_FUZZ_H
#define TSAD_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unlike assert it stands in every build; the fuzzer keeps the input that ends here. */
#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "does not hold: %s:%d: %s\n", __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The bytes that are left; what is taken beyond their end is zero. */
typedef struct input {
    const uint8_t *at;
    size_t left;
} input;

static inline uint8_t take_byte(input *in) {
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

static inline uint32_t take_u32(input *in) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)take_byte(in) << 8 * i;
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
