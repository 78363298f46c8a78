/*
 * csv.c - see csv.h. The C locale is in force: no program here calls setlocale, so the decimal point is a point.
 */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------- lines and fields */

/* One line without its end into r->text. */
static enum csv_result read_line(csv_reader *r) {
    size_t length = 0;
    int c = getc(r->file);
    if (c == EOF && !ferror(r->file))
        return CSV_END;
    for (;; c = getc(r->file)) {
        if (length + 1 >= r->text_room) {
            const size_t room = r->text_room != 0 ? 2 * r->text_room : 256;
            char *text = (char *)realloc(r->text, room);
            if (text == NULL)
                return CSV_NO_MEMORY;
            r->text = text;
            r->text_room = room;
        }
        if (c == EOF && ferror(r->file)) {
            r->problem = "cannot be read; give a CSV file that is no folder, or copy it anew";
            return CSV_BAD;
        }
        if (c == EOF || c == '\n')
            break;
        if (c == '\0') {
            r->problem = "holds a zero byte: this is not a text file; save it as CSV in UTF-8";
            return CSV_BAD;
        }
        r->text[length++] = (char)c;
    }
    if (length > 0 && r->text[length - 1] == '\r')
        length--;
    r->text[length] = '\0';
    if (r->line == 1 && strncmp(r->text, "\xef\xbb\xbf", 3) == 0)
        memmove(r->text, r->text + 3, length - 2);
    return CSV_ROW;
}

static int is_blank(char c) { return c == ' ' || c == '\t'; }

static char *skip_blanks(char *at) {
    while (is_blank(*at))
        at++;
    return at;
}

/* Takes the quoted text that starts at `at` (behind its quote), unescaped in place; NULL when the quote never closes.
 */
static char *close_quote(char *at) {
    char *to = at;
    for (;; at++) {
        if (*at == '\0')
            return NULL;
        if (*at == '"' && *++at != '"') {
            /* `at` is behind the closing quote; only now may the text be ended, as `to` can be that very place. */
            char *rest = at;
            *to = '\0';
            return rest;
        }
        *to++ = *at;
    }
}

static enum csv_result add_field(csv_reader *r, char *field) {
    if (r->count == r->field_room) {
        const size_t room = r->field_room != 0 ? 2 * r->field_room : 16;
        char **fields = (char **)realloc(r->fields, room * sizeof *fields);
        if (fields == NULL)
            return CSV_NO_MEMORY;
        r->fields = fields;
        r->field_room = room;
    }
    r->fields[r->count++] = field;
    return CSV_ROW;
}

static enum csv_result split(csv_reader *r) {
    char *at = r->text;
    r->count = 0;
    for (;;) {
        at = skip_blanks(at);
        char *field = at, *end;
        if (*at == '"') {
            field = at + 1;
            at = close_quote(field);
            end = NULL;
            if (at == NULL || (*(at = skip_blanks(at)) != ',' && *at != '\0')) {
                r->column = r->count + 1;
                r->problem = at == NULL ? "a quote is not closed on its line; close it, or take the line break out"
                                        : "text follows a closing quote; write a quote within quotes twice";
                return CSV_BAD;
            }
        } else {
            at += strcspn(at, ",");
            for (end = at; end > field && is_blank(end[-1]);)
                end--;
        }
        const char stop = *at;
        if (end != NULL)
            *end = '\0';
        if (add_field(r, field) == CSV_NO_MEMORY)
            return CSV_NO_MEMORY;
        if (stop == '\0')
            return CSV_ROW;
        at++;
    }
}

enum csv_result csv_next(csv_reader *r) {
    r->problem = NULL;
    r->column = 0;
    do {
        r->line++;
        const enum csv_result result = read_line(r);
        if (result != CSV_ROW)
            return result;
    } while (*skip_blanks(r->text) == '\0');
    return split(r);
}

void csv_free(csv_reader *r) {
    free(r->text);
    free(r->fields);
    r->text = NULL;
    r->fields = NULL;
    r->text_room = r->field_room = r->count = 0;
}

/* ---------------------------------------------------------------- what stands in a field */

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

int csv_same(const char *a, const char *b) {
    for (; *a != '\0' && lower(*a) == lower(*b); a++)
        b++;
    return *a == *b;
}

/* A decimal number and nothing else; strtof alone would also take hexadecimal and "nan(...)". */
static int is_decimal(const char *at) {
    int digits = 0;
    at += *at == '+' || *at == '-';
    for (; is_digit(*at); at++)
        digits = 1;
    if (*at == '.')
        for (at++; is_digit(*at); at++)
            digits = 1;
    if (digits && (*at == 'e' || *at == 'E')) {
        at++;
        at += *at == '+' || *at == '-';
        for (digits = 0; is_digit(*at); at++)
            digits = 1;
    }
    return digits && *at == '\0';
}

enum csv_value csv_number(const char *field, float *value) {
    const char *word = field + (*field == '+' || *field == '-');
    if (*field == '\0' || csv_same(word, "nan") || csv_same(word, "inf") || csv_same(word, "infinity"))
        return CSV_MISSING;
    if (!is_decimal(field))
        return CSV_TEXT;
    const float number = strtof(field, NULL);
    if (number - number != 0.0f)
        return CSV_MISSING;
    *value = number;
    return CSV_NUMBER;
}

/* Reads exactly `digits` digits; *at moves behind them. -1 when they are not there. */
static int fixed(const char **at, int digits) {
    int number = 0;
    for (; digits > 0; digits--, ++*at) {
        if (!is_digit(**at))
            return -1;
        number = 10 * number + (**at - '0');
    }
    return number;
}

static int take(const char **at, char c) {
    if (**at != c)
        return 0;
    ++*at;
    return 1;
}

static int days_in_month(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 in the Gregorian calendar. Years begin in March, so that the leap day is the last one. */
static int64_t days_from_civil(int year, int month, int day) {
    const int64_t y = month > 2 ? year : year - 1;
    const int64_t since_march = month > 2 ? month - 3 : month + 9;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * since_march + 2) / 5 + day - 1 - 719468;
}

/* Minutes and what stands behind them: [:SS[.fff]] and a zone. *ms is the time of day so far. */
static int clock_and_zone(const char *at, int64_t *ms) {
    const int hour = fixed(&at, 2);
    const int minute = hour >= 0 && take(&at, ':') ? fixed(&at, 2) : -1;
    int second = 0, fraction = 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return 0;
    if (take(&at, ':')) {
        second = fixed(&at, 2);
        if (second < 0 || second > 59)
            return 0;
        if (*at == '.' || *at == ',') {
            int weight = 100;
            at++;
            if (!is_digit(*at))
                return 0;
            for (; is_digit(*at); at++, weight /= 10)
                fraction += weight * (*at - '0');
        }
    }
    *ms += ((hour * 60 + minute) * INT64_C(60) + second) * 1000 + fraction;
    if (*at == 'Z' || *at == 'z')
        return at[1] == '\0';
    if (*at == '+' || *at == '-') {
        const int sign = *at++ == '+' ? 1 : -1;
        const int hours = fixed(&at, 2);
        const int minutes = hours >= 0 && *at != '\0' ? (take(&at, ':'), fixed(&at, 2)) : 0;
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return 0;
        *ms -= sign * ((hours * 60 + minutes) * INT64_C(60000));
    }
    return *at == '\0';
}

int csv_time(const char *field, int64_t *t, int *iso) {
    const char *at = field;
    int64_t number = 0;
    while (is_digit(*at) && number <= (INT64_MAX - 9) / 10)
        number = 10 * number + (*at++ - '0');
    if (iso != NULL)
        *iso = 0;
    if (*at == '\0' && at != field) {
        *t = number;
        return 1;
    }
    at = field;
    const int year = fixed(&at, 4);
    const int month = year >= 0 && take(&at, '-') ? fixed(&at, 2) : -1;
    const int day = month >= 1 && month <= 12 && take(&at, '-') ? fixed(&at, 2) : -1;
    if (day < 1 || day > days_in_month(year, month))
        return 0;
    int64_t ms = days_from_civil(year, month, day) * INT64_C(86400000);
    if (*at != '\0' && !((take(&at, 'T') || take(&at, 't') || take(&at, ' ')) && clock_and_zone(at, &ms)))
        return 0;
    if (ms < 0)
        return 0;
    if (iso != NULL)
        *iso = 1;
    *t = ms;
    return 1;
}
