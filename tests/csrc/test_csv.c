/* The CSV reader: lines, quotes, numbers, times. */
#include "csv.h"

#include "check.h"

#include <stdlib.h>

/* What the reader makes of a text: "a|b/c|d" for fields and rows, "!line:column" where it stops at something bad. */
static const char *read_all(const char *text, size_t size) {
    static char out[200000];
    char *to = out;
    csv_reader r = {0};
    enum csv_result result;
    r.file = tmpfile();
    CHECK(r.file != NULL && fwrite(text, 1, size, r.file) == size);
    rewind(r.file);
    while ((result = csv_next(&r)) == CSV_ROW) {
        for (size_t i = 0; i < r.count; i++)
            to += sprintf(to, "%s%s", i > 0 ? "|" : "", r.fields[i]);
        *to++ = '/';
    }
    *to = '\0';
    if (result == CSV_BAD)
        sprintf(to, "!%d:%d", (int)r.line, (int)r.column);
    csv_free(&r);
    fclose(r.file);
    return out;
}

static int reads(const char *text, const char *expected) {
    const char *got = read_all(text, strlen(text));
    if (strcmp(got, expected) != 0)
        fprintf(stderr, "read <%s>, expected <%s>\n", got, expected);
    return strcmp(got, expected) == 0;
}

static void lines(void) {
    CHECK(reads("", ""));
    CHECK(reads("a,b\n1,2\n", "a|b/1|2/"));
    CHECK(reads("a,b\r\n1,2", "a|b/1|2/"));
    CHECK(reads("\xef\xbb\xbf"
                "a,b\n\xef\xbb\xbf,1",
                "a|b/\xef\xbb\xbf|1/"));
    CHECK(reads("\n  \na\n\r\n\nb\n\n", "a/b/"));
    CHECK(reads(" a , b\t,c d \n", "a|b|c d/"));
    CHECK(reads(",\n,,1\n", "|/||1/"));
    CHECK(reads("\"a,b\",\"say \"\"x\"\"\",\"\" , \"c\" \n", "a,b|say \"x\"||c/"));
    CHECK(reads("a\n\"b\nc\"\n", "a/!2:1"));
    CHECK(reads("a,\"b\"c\n", "!1:2"));
    CHECK(reads("a,b\"c\"\n", "a|b\"c\"/"));
    CHECK(strcmp(read_all("a\n\0b\n", 5), "a/!2:0") == 0);
}

static void long_lines(void) {
    enum { FIELDS = 20000 };
    char *text = (char *)malloc(4 * FIELDS + 1);
    size_t bars = 0;
    CHECK(text != NULL);
    for (size_t i = 0; i < FIELDS; i++)
        memcpy(text + 4 * i, i + 1 < FIELDS ? "1.5," : "1.5\n", 4);
    const char *got = read_all(text, 4 * FIELDS);
    for (const char *at = got; *at != '\0'; at++)
        bars += *at == '|';
    CHECK(bars == FIELDS - 1 && strlen(got) == 4 * FIELDS);
    free(text);
}

static void numbers(void) {
    static const char *const missing[] = {"", "nan", "NaN", "-nan", "inf", "+Inf", "-INFINITY", "1e39", "-4e38"};
    static const char *const text[] = {"a", "1,5", "0x10", "nan(1)", "1e", "1e+", ".", "-", "1 2", "1.5f", "--1", "NA"};
    float x = 0.0f;
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++)
        CHECK(csv_number(missing[i], &x) == CSV_MISSING);
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        CHECK(csv_number(text[i], &x) == CSV_TEXT);
    CHECK(x == 0.0f);
    CHECK(csv_number("-1.5e-3", &x) == CSV_NUMBER && x == -1.5e-3f);
    CHECK(csv_number("+.5", &x) == CSV_NUMBER && x == 0.5f);
    CHECK(csv_number("7.", &x) == CSV_NUMBER && x == 7.0f);
    CHECK(csv_number("1e-45", &x) == CSV_NUMBER && x > 0.0f);
    /* Just above the middle of two floats: rounding to double first would go the wrong way. */
    CHECK(csv_number("1.00000005960464477540", &x) == CSV_NUMBER && x == 1.00000011920928955f);
}

static int time_is(const char *text, int64_t expected, int expected_iso) {
    int64_t t = -1;
    int iso = -1;
    return csv_time(text, &t, &iso) && t == expected && iso == expected_iso;
}

static void times(void) {
    static const char *const bad[] = {"",
                                      "-1",
                                      "1.0",
                                      "abc",
                                      "2023-02-29",
                                      "2024-13-01",
                                      "2024-00-10",
                                      "2024-1-1",
                                      "1969-12-31",
                                      "2024-01-01T24:00",
                                      "2024-01-01T12",
                                      "2024-01-01T12:60",
                                      "2024-01-01T12:00:00.",
                                      "2024-01-01T12:00Q",
                                      "2024-01-01T12:00Zx",
                                      "2024-01-01T12:00+1",
                                      "2024-01-01T12:00+01:99",
                                      "2024-01-01x",
                                      "99999999999999999999",
                                      "2024-01-01T"};
    int64_t t;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (csv_time(bad[i], &t, NULL)) {
            fprintf(stderr, "taken as a time: '%s'\n", bad[i]);
            CHECK(0);
        }
    CHECK(time_is("0", 0, 0) && time_is("1714567890123", INT64_C(1714567890123), 0) && time_is("2024", 2024, 0));
    CHECK(time_is("1970-01-01", 0, 1) && time_is("1970-01-01T00:00:00.001Z", 1, 1));
    CHECK(time_is("2000-02-29", INT64_C(951782400000), 1) && time_is("2100-03-01", INT64_C(4107542400000), 1));
    CHECK(time_is("2024-05-01T12:30:15Z", INT64_C(1714566615000), 1));
    CHECK(time_is("2024-05-01 12:30", INT64_C(1714566600000), 1));
    CHECK(time_is("2024-05-01t12:30:15.25z", INT64_C(1714566615250), 1));
    CHECK(time_is("2024-05-01T12:30:15,999999", INT64_C(1714566615999), 1));
    CHECK(time_is("2024-05-01T12:30:15+02:00", INT64_C(1714559415000), 1));
    CHECK(time_is("2024-05-01T12:30:15-0530", INT64_C(1714586415000), 1));
    CHECK(time_is("2024-05-01T12:30+02", INT64_C(1714559400000), 1));
}

int main(void) {
    lines();
    long_lines();
    numbers();
    times();
    CHECK(csv_same("Time", "tIME") && !csv_same("time", "times") && !csv_same("times", "time") && csv_same("", ""));
    return check_result();
}
