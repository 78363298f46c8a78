/*
 * Any bytes as a CSV: how the file comes in pieces does not change what is read, fields written anew read the same, a
 * number is the nearest float, a time written anew is the same time, and an accepted header gives each channel a
 * column.
 */
#define _POSIX_C_SOURCE 200809L
#include "columns.h"
#include "fail.h"
#include "fuzz.h"
#include "m_tiny.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <time.h>

/* Instead of fail.c: messages are formatted, so that their arguments are read, and not shown. */
void fail_says(const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
}

/* A file over bytes that is read in pieces of `piece` bytes; 0: as the library likes. */
static FILE *opened(const void *data, size_t size, size_t piece, char *room) {
    FILE *file = fmemopen((void *)(uintptr_t)data, size, "rb");
    HOLDS(file != NULL);
    if (piece != 0)
        setvbuf(file, room, _IOFBF, piece);
    return file;
}

/* ---------------------------------------------------------------- fields */

static void number(const char *field) {
    const float untouched = 12345.0f;
    float value = untouched, again;
    char text[32];
    if (csv_number(field, &value) != CSV_NUMBER) {
        HOLDS(value == untouched);
        return;
    }
    const double exact = strtod(field, NULL);
    HOLDS(isfinite(value) && fabs(exact - (double)value) <= ldexp(fabs(exact), -24) * 1.0000001 + ldexp(1.0, -150));
    snprintf(text, sizeof text, "%.9g", (double)value);
    HOLDS(csv_number(text, &again) == CSV_NUMBER && memcmp(&value, &again, sizeof value) == 0);
}

static void moment(const char *field) {
    int64_t t = -1, again;
    int iso, iso_again;
    char text[64];
    if (!csv_time(field, &t, &iso)) {
        HOLDS(t == -1);
        return;
    }
    HOLDS(t >= 0);
    if (iso) {
        const time_t seconds = (time_t)(t / 1000);
        struct tm civil;
        HOLDS(gmtime_r(&seconds, &civil) != NULL);
        if (civil.tm_year + 1900 > 9999) /* the last day of 9999, west of Greenwich */
            return;
        snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", civil.tm_year + 1900, civil.tm_mon + 1,
                 civil.tm_mday, civil.tm_hour, civil.tm_min, civil.tm_sec, (int)(t % 1000));
    } else {
        snprintf(text, sizeof text, "%" PRId64, t);
    }
    HOLDS(csv_time(text, &again, &iso_again) && again == t && iso_again == iso);
}

/* ---------------------------------------------------------------- rows */

static void same_row(const csv_reader *a, const csv_reader *b) {
    HOLDS(a->count == b->count);
    for (size_t i = 0; i < a->count; i++)
        HOLDS(strcmp(a->fields[i], b->fields[i]) == 0);
}

/* The row between quotes is one line with the same fields. */
static void written_anew(const csv_reader *r) {
    size_t room = 1, length = 0;
    for (size_t i = 0; i < r->count; i++)
        room += 2 * strlen(r->fields[i]) + 3;
    char *text = (char *)malloc(room);
    HOLDS(text != NULL && r->count > 0);
    for (size_t i = 0; i < r->count; i++) {
        if (i > 0)
            text[length++] = ',';
        text[length++] = '"';
        for (const char *at = r->fields[i]; *at != '\0'; at++) {
            if (*at == '"')
                text[length++] = '"';
            text[length++] = *at;
        }
        text[length++] = '"';
    }
    csv_reader again = {0};
    again.file = opened(text, length, 0, NULL);
    HOLDS(csv_next(&again) == CSV_ROW);
    same_row(r, &again);
    HOLDS(csv_next(&again) == CSV_END);
    fclose(again.file);
    csv_free(&again);
    free(text);
}

static void lines(const uint8_t *data, size_t size, size_t piece) {
    char room[256];
    size_t line = 0;
    csv_reader whole = {0}, pieces = {0};
    whole.file = opened(data, size, 0, NULL);
    pieces.file = opened(data, size, piece, room);
    for (;;) {
        const enum csv_result result = csv_next(&whole);
        HOLDS(csv_next(&pieces) == result && pieces.line == whole.line && whole.line > line);
        HOLDS(pieces.problem == whole.problem && pieces.column == whole.column);
        HOLDS((result == CSV_BAD) == (whole.problem != NULL) && (result == CSV_BAD || whole.column == 0));
        line = whole.line;
        if (result != CSV_ROW)
            break;
        same_row(&whole, &pieces);
        written_anew(&whole);
        for (size_t i = 0; i < whole.count; i++) {
            number(whole.fields[i]);
            moment(whole.fields[i]);
        }
    }
    fclose(whole.file);
    fclose(pieces.file);
    csv_free(&whole);
    csv_free(&pieces);
}

/* ---------------------------------------------------------------- columns */

static void columns(const uint8_t *data, size_t size, const tsad_model *m, const char *time_name) {
    float sample[M_TINY_CHANNELS];
    int pending = 0, times = 0, seen[M_TINY_CHANNELS] = {0};
    table t = {0};
    t.name = "input";
    t.csv.file = opened(data, size, 0, NULL);
    int code = table_columns(&t, m, time_name, &pending);
    HOLDS(code == EXIT_OK || code == EXIT_INPUT);
    if (code == EXIT_OK) {
        for (size_t i = 0; i < t.columns; i++) {
            times += t.roles[i] == COLUMN_TIME;
            if (t.roles[i] >= 0) {
                HOLDS(t.roles[i] < M_TINY_CHANNELS);
                seen[t.roles[i]]++;
            }
        }
        HOLDS(times <= 1 && (time_name == NULL || times == 1));
        for (int c = 0; c < M_TINY_CHANNELS; c++)
            HOLDS(seen[c] == 1);
    }
    for (; code == EXIT_OK && (pending || csv_next(&t.csv) == CSV_ROW); pending = 0) {
        int64_t when = -1;
        for (int c = 0; c < M_TINY_CHANNELS; c++)
            sample[c] = INFINITY; /* which no field gives */
        code = table_row(&t, &when, sample);
        HOLDS(code == EXIT_OK || code == EXIT_INPUT);
        HOLDS(code != EXIT_OK || (times == 1) == (when >= 0));
        for (int c = 0; code == EXIT_OK && c < M_TINY_CHANNELS; c++)
            HOLDS(!isinf(sample[c]));
    }
    table_free(&t);
    fclose(t.csv.file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const times[] = {NULL, NULL, "t", "a"};
    if (size < 2)
        return 0;
    const uint8_t how = data[0];
    tsad_model m = m_tiny;
    if (how & 1)
        m.channel_names = NULL;
    lines(data + 1, size - 1, 1u + how / 8u);
    columns(data + 1, size - 1, &m, times[how >> 1 & 3]);
    return 0;
}
