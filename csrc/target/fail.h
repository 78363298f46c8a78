/* fail.h - the exit codes of tsad-edge, and the one way it says what is wrong. */
#ifndef TSAD_FAIL_H
#define TSAD_FAIL_H

enum exit_code { EXIT_OK, EXIT_SYSTEM, EXIT_USAGE, EXIT_INPUT, EXIT_MODEL };

/* Writes what stands in the output so far, then "tsad-edge: " and the text to stderr; gives the code back. */
int fail(int code, const char *format, ...);

int out_of_memory(void);

#endif
