/*
 * host.c - the program tsad-edge: sensor CSV in, scores and alarms or events out, by the C that a device runs.
 *
 * Owns the command line, what a column means, and the words of every error; the detector is tsad.c, the CSV csv.c.
 * A third of its length is those words: each names file, line, column, value and what to do next.
 */
#include "csv.h"
#include "m_reference.h"
#include "tsad.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum exit_code { EXIT_OK, EXIT_SYSTEM, EXIT_USAGE, EXIT_INPUT, EXIT_MODEL };

static const char USAGE[] =
    "usage: tsad-edge [--model LIB.so] [--threshold X] [--events] FILE.csv | -\n"
    "\n"
    "Scores every row of a CSV file with a compiled detector and writes CSV: t,score,alarm.\n"
    "\n"
    "  --model LIB.so   a model library made by `tsad convert`; without it the built-in reference model\n"
    "  --threshold X    alarm where score > X, instead of the model's own threshold\n"
    "  --events         write events instead: id,start,end,peak,peak_t,top (top: channel with the largest share, or "
    "-1)\n"
    "  --version        version and model ABI\n"
    "  FILE.csv         '-' reads standard input and answers each row at once\n"
    "\n"
    "Columns: one named timestamp, time, t or date holds integers or ISO 8601 times (then t is in milliseconds, UTC);\n"
    "is_anomaly, label and anomaly are ignored; all others are channels, in the model's order. Without a header all "
    "are\n"
    "channels and t is the row's index. A row with an empty field, nan or inf is refused: score nan, alarm 0.\n"
    "\n"
    "Exit status: 0 done, 1 out of memory or output not written, 2 usage, 3 input bad or too short, 4 model.\n";

typedef struct options {
    const char *model;
    const char *file;
    float threshold;
    int has_threshold;
    int events;
} options;

static int fail(int code, const char *format, ...) {
    va_list arguments;
    fflush(stdout);
    fputs("tsad-edge: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

static int out_of_memory(void) { return fail(EXIT_SYSTEM, "out of memory"); }

/* ---------------------------------------------------------------- command line and model */

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, options *o) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(USAGE, stdout);
            return EXIT_OK;
        } else if (strcmp(word, "--version") == 0) {
            printf("tsad-edge %s (model ABI %d)\n", TSAD_VERSION, TSAD_MODEL_ABI);
            return EXIT_OK;
        } else if (strcmp(word, "--events") == 0) {
            o->events = 1;
        } else if (strcmp(word, "--model") == 0 || strcmp(word, "--threshold") == 0) {
            if (i + 1 == argc)
                return fail(EXIT_USAGE, "%s wants a value\n\n%s", word, USAGE);
            const char *value = argv[++i];
            if (strcmp(word, "--model") == 0) {
                o->model = value;
            } else if (csv_number(value, &o->threshold) == CSV_NUMBER) {
                o->has_threshold = 1;
            } else {
                return fail(EXIT_USAGE, "--threshold: '%s' is not a finite number", value);
            }
        } else if (word[0] == '-' && word[1] != '\0') {
            return fail(EXIT_USAGE, "unknown option %s\n\n%s", word, USAGE);
        } else if (o->file != NULL) {
            return fail(EXIT_USAGE, "one file at a time, not '%s' and '%s'\n\n%s", o->file, word, USAGE);
        } else {
            o->file = word;
        }
    }
    return o->file != NULL ? -1 : fail(EXIT_USAGE, "no file given\n\n%s", USAGE);
}

/* dlsym gives an object pointer; ISO C wants its bits copied to become a function. */
static int find_function(void *library, const char *name, void *function, size_t size) {
    void *found = dlsym(library, name);
    memcpy(function, &found, size);
    return found != NULL;
}

/* The library stays open until the process ends: the model lives in it. */
static int open_model(const char *path, const tsad_model **model, const tsad_config **config) {
    tsad_model_get_fn *model_get;
    tsad_config_get_fn *config_get;
    *model = &m_reference;
    *config = &m_reference_config;
    if (path == NULL)
        return EXIT_OK;
    /* A name without a slash would be searched for in system directories. */
    char *where = (char *)malloc(strlen(path) + 3);
    if (where == NULL)
        return out_of_memory();
    strcpy(where, strchr(path, '/') != NULL ? "" : "./");
    strcat(where, path);
    void *library = dlopen(where, RTLD_NOW | RTLD_LOCAL);
    free(where);
    if (library == NULL)
        return fail(EXIT_MODEL, "%s: cannot be opened: %s; `tsad convert` makes model libraries", path, dlerror());
    if (!find_function(library, TSAD_MODEL_GET, &model_get, sizeof model_get) ||
        !find_function(library, TSAD_CONFIG_GET, &config_get, sizeof config_get))
        return fail(EXIT_MODEL, "%s: is not a model library of tsad-edge; `tsad convert` makes them", path);
    *model = model_get(NULL);
    if (*model == NULL)
        return fail(EXIT_MODEL, "%s: has no model that this machine can run; convert it again here", path);
    if ((*model)->abi != TSAD_MODEL_ABI)
        return fail(EXIT_MODEL, "%s: was made for model ABI %" PRIu32 ", this program reads %d; convert it again", path,
                    (*model)->abi, TSAD_MODEL_ABI);
    *config = config_get();
    return EXIT_OK;
}

/* ---------------------------------------------------------------- columns */

enum role { CHANNEL, TIME, IGNORED };

typedef struct table {
    const char *name; /* of the file, for messages */
    csv_reader csv;
    enum role *roles;
    char **titles; /* NULL without a header */
    size_t columns;
} table;

static int bad_field(const table *t, size_t column, const char *remedy) {
    const char *title = t->titles != NULL ? t->titles[column] : NULL;
    return fail(EXIT_INPUT, "%s: line %zu, column %zu%s%s%s: '%s' %s", t->name, t->csv.line, column + 1,
                title != NULL ? " (" : "", title != NULL ? title : "", title != NULL ? ")" : "", t->csv.fields[column],
                remedy);
}

static int bad_line(const table *t) {
    if (t->csv.column != 0)
        return fail(EXIT_INPUT, "%s: line %zu, column %zu: %s", t->name, t->csv.line, t->csv.column, t->csv.problem);
    return fail(EXIT_INPUT, "%s: line %zu: %s", t->name, t->csv.line, t->csv.problem);
}

static int named_one_of(const char *title, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (csv_same(title, names[i]))
            return 1;
    return 0;
}

static int is_header(const table *t) {
    float value;
    for (size_t i = 0; i < t->columns; i++)
        if (csv_number(t->csv.fields[i], &value) == CSV_TEXT)
            return 1;
    return 0;
}

/* Decides by the first line what each column is; *pending tells that this line is already data. */
static int read_columns(table *t, const tsad_model *m, int *pending) {
    static const char *const times[] = {"timestamp", "time", "t", "date"};
    static const char *const labels[] = {"is_anomaly", "label", "anomaly"};
    size_t channels = 0;
    int time_found = 0, iso;
    int64_t when;
    const enum csv_result result = csv_next(&t->csv);
    if (result == CSV_NO_MEMORY)
        return out_of_memory();
    if (result == CSV_BAD)
        return bad_line(t);
    if (result == CSV_END)
        return fail(EXIT_INPUT, "%s: is empty; a CSV with a row per sample and a column per channel is wanted",
                    t->name);
    t->columns = t->csv.count;
    *pending = !is_header(t);
    t->roles = (enum role *)calloc(t->columns, sizeof *t->roles);
    if (t->roles == NULL || (!*pending && (t->titles = (char **)calloc(t->columns, sizeof *t->titles)) == NULL))
        return out_of_memory();
    for (size_t i = 0; i < t->columns; i++) {
        t->roles[i] = CHANNEL;
        if (!*pending) {
            const char *title = t->csv.fields[i];
            if (csv_time(title, &when, &iso) && iso)
                return bad_field(t, i,
                                 "is a time, and the file has no header; give it one that names the column "
                                 "'timestamp'");
            if ((t->titles[i] = (char *)malloc(strlen(title) + 1)) == NULL)
                return out_of_memory();
            strcpy(t->titles[i], title);
            if (!time_found && named_one_of(title, times, sizeof times / sizeof *times)) {
                t->roles[i] = TIME;
                time_found = 1;
            } else if (named_one_of(title, labels, sizeof labels / sizeof *labels)) {
                t->roles[i] = IGNORED;
            }
        }
        channels += t->roles[i] == CHANNEL;
    }
    if (t->columns == 1 && m->channels > 1)
        return fail(EXIT_INPUT,
                    "%s: line %zu: there is no comma in it, but the model %s has %" PRIu32
                    " channels; write commas between the fields and decimal points within them",
                    t->name, t->csv.line, m->name, m->channels);
    if (channels != m->channels)
        return fail(EXIT_INPUT,
                    "%s: line %zu: %zu channel columns, but the model %s has %" PRIu32
                    "; give the columns it was trained with, in that order, or another --model",
                    t->name, t->csv.line, channels, m->name, m->channels);
    return EXIT_OK;
}

/* One row into a sample; what is missing becomes NaN, which the detector refuses. */
static int read_row(const table *t, int64_t *time, float *sample) {
    if (t->csv.count != t->columns)
        return fail(EXIT_INPUT, "%s: line %zu: %zu fields, but the first line has %zu; each row needs one a column",
                    t->name, t->csv.line, t->csv.count, t->columns);
    for (size_t i = 0; i < t->columns; i++) {
        if (t->roles[i] == TIME && !csv_time(t->csv.fields[i], time, NULL))
            return bad_field(t, i,
                             "is neither an integer from 0 on nor an ISO 8601 time from 1970 on, such as "
                             "2024-05-01T12:30:00Z");
        if (t->roles[i] != CHANNEL)
            continue;
        switch (csv_number(t->csv.fields[i], sample)) {
        case CSV_NUMBER:
            break;
        case CSV_MISSING:
            *sample = strtof("nan", NULL);
            break;
        case CSV_TEXT:
            return bad_field(t, i,
                             "is not a number; write one with a decimal point, or leave the field empty where "
                             "the value is missing");
        }
        sample++;
    }
    return EXIT_OK;
}

/* ---------------------------------------------------------------- the run */

static void print_event(const tsad_event *e) {
    printf("%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.9g,%" PRIu64 ",%" PRId32 "\n", e->id, e->start, e->end,
           (double)e->peak, e->peak_t, e->top);
}

static void print_score(int64_t t, const tsad_result *r, int status) {
    if (status == TSAD_OK)
        printf("%" PRId64 ",%.9g,%" PRId32 "\n", t, (double)r->score, r->alarm);
    else
        printf("%" PRId64 ",nan,0\n", t);
}

/* There is a column of times: the row's index, which stands in for one, always increases. */
static int time_stands(const table *t, const tsad *d) {
    char remedy[128];
    size_t column = 0;
    while (t->roles[column] != TIME)
        column++;
    sprintf(remedy, "is not after t = %" PRIu64 " of an earlier row; sort the rows by time, one row for each time",
            d->last_t);
    return bad_field(t, column, remedy);
}

/* Steps through all rows. `pending`: the reader already stands on the first one. */
static int run(table *t, tsad *d, float *sample, int pending, const options *o) {
    const int at_once = strcmp(o->file, "-") == 0;
    int64_t row = 0;
    puts(o->events ? "id,start,end,peak,peak_t,top" : "t,score,alarm");
    for (;; row++, pending = 0) {
        const enum csv_result result = pending ? CSV_ROW : csv_next(&t->csv);
        if (result == CSV_NO_MEMORY)
            return out_of_memory();
        if (result == CSV_BAD)
            return bad_line(t);
        if (result == CSV_END)
            break;
        int64_t time = row;
        tsad_result r;
        const int bad = read_row(t, &time, sample);
        if (bad)
            return bad;
        const int status = tsad_step(d, (uint64_t)time, sample, &r);
        if (status == TSAD_ERR_TIME)
            return time_stands(t, d);
        if (!o->events)
            print_score(time, &r, status);
        else if (status == TSAD_OK && r.event == TSAD_EVENT_ENDED)
            print_event(&d->record);
        if (at_once)
            fflush(stdout);
    }
    if (tsad_finish(d) && o->events)
        print_event(&d->record);
    /* Silence must not pass for "no events". */
    if (d->taken < d->model->window)
        return fail(EXIT_INPUT,
                    "%s: no row has a score: the model %s wants %" PRIu32 " complete rows for its first, and %" PRIu64
                    " of %" PRId64 " are complete; give a longer recording",
                    t->name, d->model->name, d->model->window, d->taken, row);
    return EXIT_OK;
}

static int score_file(const options *o, const tsad_model *m, tsad *d) {
    table t = {0};
    int pending = 0;
    const int is_stdin = strcmp(o->file, "-") == 0;
    float *sample = (float *)malloc(m->channels * sizeof *sample);
    t.name = is_stdin ? "standard input" : o->file;
    t.csv.file = is_stdin ? stdin : fopen(o->file, "rb");
    int code = sample == NULL ? out_of_memory() : EXIT_OK;
    if (code == EXIT_OK && t.csv.file == NULL)
        code = fail(EXIT_INPUT, "%s: cannot be opened: %s; give the path of a CSV file, or - for standard input",
                    t.name, strerror(errno));
    if (code == EXIT_OK)
        code = read_columns(&t, m, &pending);
    if (code == EXIT_OK)
        code = run(&t, d, sample, pending, o);
    if (t.titles != NULL)
        for (size_t i = 0; i < t.columns; i++)
            free(t.titles[i]);
    free(t.titles);
    free(t.roles);
    csv_free(&t.csv);
    free(sample);
    if (t.csv.file != NULL && !is_stdin)
        fclose(t.csv.file);
    return code;
}

int main(int argc, char **argv) {
    options o = {0};
    const tsad_model *m;
    const tsad_config *standard;
    tsad d;
    int code = parse(argc, argv, &o);
    if (code < 0) {
        code = open_model(o.model, &m, &standard);
        if (code != EXIT_OK)
            return code;
        tsad_config config = *standard;
        if (o.has_threshold)
            config.threshold = o.threshold;
        const size_t size = tsad_memory_size(m, 1);
        void *memory = malloc(size != 0 ? size : 1);
        if (memory == NULL)
            return out_of_memory();
        const int status = tsad_init(&d, m, &config, memory, size);
        code = status < 0 ? fail(EXIT_MODEL, "%s: %s; convert it again", o.model != NULL ? o.model : m->name,
                                 tsad_status_text(status))
                          : score_file(&o, m, &d);
        free(memory);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail(EXIT_SYSTEM, "the output could not be written");
    return code;
}
