/* columns.c - see columns.h. */
#include "columns.h"

#include "fail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int table_bad_field(const table *t, size_t column, const char *remedy) {
    const char *title = t->titles != NULL ? t->titles[column] : NULL;
    return fail(EXIT_INPUT, "%s: line %zu, column %zu%s%s%s: '%s' %s", t->name, t->csv.line, column + 1,
                title != NULL ? " (" : "", title != NULL ? title : "", title != NULL ? ")" : "", t->csv.fields[column],
                remedy);
}

int table_bad_line(const table *t) {
    if (t->csv.column != 0)
        return fail(EXIT_INPUT, "%s: line %zu, column %zu: %s", t->name, t->csv.line, t->csv.column, t->csv.problem);
    return fail(EXIT_INPUT, "%s: line %zu: %s", t->name, t->csv.line, t->csv.problem);
}

void table_free(table *t) {
    if (t->titles != NULL)
        for (size_t i = 0; i < t->columns; i++)
            free(t->titles[i]);
    free(t->titles);
    free(t->roles);
    csv_free(&t->csv);
}

/* ---------------------------------------------------------------- the header */

static int is_header(const table *t) {
    float value;
    for (size_t i = 0; i < t->columns; i++)
        if (csv_number(t->csv.fields[i], &value) == CSV_TEXT)
            return 1;
    return 0;
}

/* Keeps the header's fields. */
static int keep_titles(table *t) {
    int64_t when;
    int iso;
    t->titles = (char **)calloc(t->columns, sizeof *t->titles);
    if (t->titles == NULL)
        return out_of_memory();
    for (size_t i = 0; i < t->columns; i++) {
        const char *title = t->csv.fields[i];
        if (csv_time(title, &when, &iso) && iso)
            return table_bad_field(t, i,
                                   "is a time, and the file has no header; give it one that names the column "
                                   "'timestamp'");
        if ((t->titles[i] = (char *)malloc(strlen(title) + 1)) == NULL)
            return out_of_memory();
        strcpy(t->titles[i], title);
    }
    return EXIT_OK;
}

static int is_time_name(const char *title) {
    return csv_same(title, "timestamp") || csv_same(title, "time") || csv_same(title, "t") || csv_same(title, "date");
}

static int is_label_name(const char *title) {
    return csv_same(title, "is_anomaly") || csv_same(title, "label") || csv_same(title, "anomaly");
}

/* The index of the channel with this name; C when there is none, or no names. */
static uint32_t channel_of(const tsad_model *m, const char *title) {
    for (uint32_t c = 0; m->channel_names != NULL && c < m->channels; c++)
        if (strcmp(m->channel_names[c], title) == 0)
            return c;
    return m->channels;
}

/* Gives one column the role of the time, when there is one. */
static int find_time(table *t, const tsad_model *m, const char *time) {
    int found = 0;
    for (size_t i = 0; i < t->columns && !(found && time == NULL); i++) {
        const char *title = t->titles[i];
        const int is_channel = channel_of(m, title) != m->channels;
        if (time != NULL ? strcmp(title, time) != 0 : is_channel || !is_time_name(title))
            continue;
        if (is_channel)
            return table_bad_field(t, i, "is a channel of the model, not the time; name another column with --time");
        if (found)
            return table_bad_field(t, i, "is there for the second time; rename or remove one of these columns");
        t->roles[i] = COLUMN_TIME;
        found = 1;
    }
    if (time != NULL && !found)
        return fail(EXIT_INPUT, "%s: line %zu: no column is named '%s'; name one of the header with --time", t->name,
                    t->csv.line, time);
    return EXIT_OK;
}

/* ---------------------------------------------------------------- channels */

static int by_position(table *t, const tsad_model *m) {
    uint32_t channels = 0;
    for (size_t i = 0; i < t->columns; i++)
        if (t->roles[i] != COLUMN_TIME && !(t->titles != NULL && is_label_name(t->titles[i])))
            t->roles[i] = channels++;
    if (channels != m->channels)
        return fail(EXIT_INPUT,
                    "%s: line %zu: %" PRIu32 " channel columns, but the model %s has %" PRIu32
                    "; give the columns it was trained with, in that order, or another --model",
                    t->name, t->csv.line, channels, m->name, m->channels);
    return EXIT_OK;
}

/* Refuses a header without a column for some channels, or for all. */
static int missing_channels(const table *t, const tsad_model *m, const unsigned char *seen, uint32_t found) {
    size_t room = 1;
    for (uint32_t c = 0; c < m->channels; c++)
        room += strlen(m->channel_names[c]) + 2;
    char *names = (char *)malloc(room);
    if (names == NULL)
        return out_of_memory();
    names[0] = '\0';
    for (uint32_t c = 0; c < m->channels; c++)
        if (!seen[c])
            strcat(strcat(names, names[0] != '\0' ? ", " : ""), m->channel_names[c]);
    const int code =
        found == 0 ? fail(EXIT_INPUT,
                          "%s: line %zu: no column has a name that the model %s knows: %s; name the columns so, or "
                          "remove the header to give them by position",
                          t->name, t->csv.line, m->name, names)
                   : fail(EXIT_INPUT,
                          "%s: line %zu: channels of the model %s have no column: %s; add or rename the columns, or "
                          "give another --model",
                          t->name, t->csv.line, m->name, names);
    free(names);
    return code;
}

static void say_ignored(const table *t) {
    int first = 1;
    for (size_t i = 0; i < t->columns; i++) {
        const char *title = t->titles[i];
        if (t->roles[i] != COLUMN_IGNORED || is_label_name(title))
            continue;
        if (first)
            fprintf(stderr, "tsad-edge: %s: ignored: ", t->name);
        fputs(first ? "" : ", ", stderr);
        if (title[0] != '\0')
            fputs(title, stderr);
        else
            fprintf(stderr, "column %zu, which has no name", i + 1);
        first = 0;
    }
    if (!first)
        fputc('\n', stderr);
}

static int by_name(table *t, const tsad_model *m) {
    uint32_t found = 0;
    int code = EXIT_OK;
    unsigned char *seen = (unsigned char *)calloc(m->channels, 1);
    if (seen == NULL)
        return out_of_memory();
    for (size_t i = 0; i < t->columns && code == EXIT_OK; i++) {
        const uint32_t c = channel_of(m, t->titles[i]);
        if (c == m->channels)
            continue;
        if (seen[c])
            code = table_bad_field(t, i, "is there for the second time; rename or remove one of these columns");
        seen[c] = 1;
        t->roles[i] = c;
        found++;
    }
    if (code == EXIT_OK && found != m->channels)
        code = missing_channels(t, m, seen, found);
    free(seen);
    if (code == EXIT_OK)
        say_ignored(t);
    return code;
}

int table_columns(table *t, const tsad_model *m, const char *time, int *pending) {
    const enum csv_result result = csv_next(&t->csv);
    int code = EXIT_OK;
    if (result == CSV_NO_MEMORY)
        return out_of_memory();
    if (result == CSV_BAD)
        return table_bad_line(t);
    if (result == CSV_END)
        return fail(EXIT_INPUT, "%s: is empty; a CSV with a row per sample and a column per channel is wanted",
                    t->name);
    t->columns = t->csv.count;
    t->roles = (int64_t *)malloc(t->columns * sizeof *t->roles);
    if (t->roles == NULL)
        return out_of_memory();
    for (size_t i = 0; i < t->columns; i++)
        t->roles[i] = COLUMN_IGNORED;
    *pending = !is_header(t);
    if (!*pending)
        code = keep_titles(t);
    if (code != EXIT_OK)
        return code;
    if (t->columns == 1 && m->channels > 1)
        return fail(EXIT_INPUT,
                    "%s: line %zu: there is no comma in it, but the model %s has %" PRIu32
                    " channels; write commas between the fields and decimal points within them",
                    t->name, t->csv.line, m->name, m->channels);
    if (*pending && time != NULL)
        return fail(EXIT_INPUT, "%s: line %zu: has no header to find '%s' of --time in; add one, or leave --time out",
                    t->name, t->csv.line, time);
    if (!*pending)
        code = find_time(t, m, time);
    if (code != EXIT_OK)
        return code;
    return t->titles != NULL && m->channel_names != NULL ? by_name(t, m) : by_position(t, m);
}

/* ---------------------------------------------------------------- rows */

int table_row(const table *t, int64_t *time, float *sample) {
    if (t->csv.count != t->columns)
        return fail(EXIT_INPUT, "%s: line %zu: %zu fields, but the first line has %zu; each row needs one a column",
                    t->name, t->csv.line, t->csv.count, t->columns);
    for (size_t i = 0; i < t->columns; i++) {
        if (t->roles[i] == COLUMN_TIME && !csv_time(t->csv.fields[i], time, NULL))
            return table_bad_field(t, i,
                                   "is neither an integer from 0 on nor an ISO 8601 time from 1970 on, such as "
                                   "2024-05-01T12:30:00Z");
        if (t->roles[i] < 0)
            continue;
        float *value = sample + t->roles[i];
        switch (csv_number(t->csv.fields[i], value)) {
        case CSV_NUMBER:
            break;
        case CSV_MISSING:
            *value = strtof("nan", NULL);
            break;
        case CSV_TEXT:
            return table_bad_field(t, i,
                                   "is not a number; write one with a decimal point, or leave the field empty where "
                                   "the value is missing");
        }
    }
    return EXIT_OK;
}
