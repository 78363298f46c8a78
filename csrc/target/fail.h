/* fail.h - the exit codes of tsad-edge, and the one way it says what is wrong. */
#ifndef TSAD_FAIL_H
#define TSAD_FAIL_H

enum exit_code { EXIT_OK, EXIT_SYSTEM, EXIT_USAGE, EXIT_INPUT, EXIT_MODEL };

/* Writes what stands in the output so far, then "tsad-edge: " and the text to stderr. */
void fail_says(const char *format, ...);

/* The same, and gives the code: a macro, so that who reads one file at a time sees that it is the code. */
#define fail(code, ...) (fail_says(__VA_ARGS__), (code))

static inline int out_of_memory(void) { return fail(EXIT_SYSTEM, "out of memory"); }

#endif
