/* string.h - the three functions of <string.h> that the detector uses, where there is no C library; see memory.c. */
#ifndef TSAD_STRING_H
#define TSAD_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

#endif
