/*
 * columns.h - what a column of a CSV means: a channel of the model, the time, or nothing.
 *
 * With a header and a model that has names, by name; else by position. Says itself what is wrong (fail.h), and gives
 * an exit code: 0 is fine.
 */
#ifndef TSAD_COLUMNS_H
#define TSAD_COLUMNS_H

#include "csv.h"
#include "tsad.h"

enum { COLUMN_TIME = -1, COLUMN_IGNORED = -2 };

typedef struct table {
    const char *name; /* of the file, for messages */
    csv_reader csv;
    int64_t *roles; /* of each column: COLUMN_TIME, COLUMN_IGNORED, or the channel's index */
    char **titles;  /* NULL without a header */
    size_t columns;
} table;

/*
 * Decides by the first line what each column is. {0} with `name` and the reader's file set is a table at its start.
 * `time` names the time's column, NULL: the first of the usual names. *pending: the line is already data.
 */
int table_columns(table *t, const tsad_model *m, const char *time, int *pending);

/* The reader's line into a sample; what is missing becomes NaN, which the detector refuses. *time: if there is one. */
int table_row(const table *t, int64_t *time, float *sample);

/* Refuse a field of the reader's line, or what csv_next called bad. */
int table_bad_field(const table *t, size_t column, const char *remedy);
int table_bad_line(const table *t);

/* Frees all but the file, which stays open. */
void table_free(table *t);

#endif
