/* What the C tests share: a check that tells where it failed, and numbers that look random. */
#ifndef TSAD_CHECK_H
#define TSAD_CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            check_failures++;                                                                                          \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
        }                                                                                                              \
    } while (0)

static inline int check_result(void) { return check_failures == 0 ? 0 : 1; }

static inline int same_bits(const float *a, const float *b, size_t count) { return memcmp(a, b, 4 * count) == 0; }

/* How far apart are the floats that a test looks at: every one, or as the command line says, so that 1 means all. */
static inline uint32_t stride(int argc, char **argv, uint32_t usual) {
    return argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : usual;
}

/* xorshift: uniform in [-1, 1). */
static inline float noise(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

#endif
