/* fail.c - see fail.h. */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

int fail(int code, const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    fputs("tsad-edge: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

int out_of_memory(void) { return fail(EXIT_SYSTEM, "out of memory"); }
