/*
 * memory.c - memcpy, memmove and memset: all of a C library that a detector wants, so that no library is linked.
 *
 * Words where both sides are aligned, as a detector's slots are. Compiled so that these loops do not become calls of
 * themselves.
 */
#include <stdint.h>
#include <string.h>

#define IS_ALIGNED(a, b, n) ((((uintptr_t)(a) | (uintptr_t)(b) | (n)) & 3u) == 0)

/* What may hold values of any type. */
typedef uint32_t __attribute__((may_alias)) word;

void *memmove(void *to, const void *from, size_t n) {
    const int forward = (uintptr_t)to <= (uintptr_t)from;
    if (IS_ALIGNED(to, from, n)) {
        word *t = (word *)to;
        const word *f = (const word *)from;
        const size_t words = n / 4;
        for (size_t i = 0; i < words; i++)
            if (forward)
                t[i] = f[i];
            else
                t[words - 1 - i] = f[words - 1 - i];
    } else {
        unsigned char *t = (unsigned char *)to;
        const unsigned char *f = (const unsigned char *)from;
        for (size_t i = 0; i < n; i++)
            if (forward)
                t[i] = f[i];
            else
                t[n - 1 - i] = f[n - 1 - i];
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n) { return memmove(to, from, n); }

void *memset(void *to, int value, size_t n) {
    unsigned char *t = (unsigned char *)to;
    for (size_t i = 0; i < n; i++)
        t[i] = (unsigned char)value;
    return to;
}
