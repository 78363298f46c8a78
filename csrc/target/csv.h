/*
 * csv.h - reads comma-separated text, line by line, and what stands in a field: a number, nothing, or a time.
 *
 * Takes lines of any length, LF or CRLF, a UTF-8 byte order mark, fields in double quotes, a last line without an end.
 * Knows nothing of samples or channels.
 */
#ifndef TSAD_CSV_H
#define TSAD_CSV_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct csv_reader {
    FILE *file;
    size_t line;   /* number of the line that `fields` are from, 1 for the first */
    char **fields; /* `count` texts without surrounding blanks and quotes; they live until the next call */
    size_t count;
    char *text;
    size_t text_room;
    size_t field_room;
    size_t column;       /* of the problem, 1 for the first; 0: the whole line */
    const char *problem; /* what is wrong and what to do, after CSV_BAD */
} csv_reader;

enum csv_result { CSV_END, CSV_ROW, CSV_BAD, CSV_NO_MEMORY };

/* {0} with `file` set is a reader at its start. Gives the next line that is not blank. */
enum csv_result csv_next(csv_reader *r);

/* Frees the reader's memory; the file stays open. */
void csv_free(csv_reader *r);

enum csv_value { CSV_NUMBER, CSV_MISSING, CSV_TEXT };

/*
 * A decimal number, correctly rounded to f32; or missing: empty, nan, inf, infinity in any case and with any sign, or a
 * number too large for f32; or any other text. *value is written for a number only.
 */
enum csv_value csv_number(const char *field, float *value);

/*
 * 1 and a time for a non-negative integer, as it is, or for ISO 8601, as milliseconds since 1970 in UTC:
 * 2024-05-01, 2024-05-01T12:30, 2024-05-01 12:30:15.250+02:00; without a zone it is UTC, digits after the milliseconds
 * are cut off. 0 for anything else and for times before 1970. *iso (may be NULL) tells which of the two it was.
 */
int csv_time(const char *field, int64_t *t, int *iso);

/* 1 when both names are the same but for upper and lower case (ASCII). */
int csv_same(const char *a, const char *b);

#endif
