/*
 * host.c - the program tsad-edge: sensor CSV in, scores and alarms or events out, by the C that a device runs.
 *
 * Owns the command line, the model library and the run; the detector is tsad.c, what a column means is columns.c, the
 * CSV csv.c. Every error names file, line, column, value and what to do next.
 */
#include "baseline.h"
#include "columns.h"
#include "fail.h"
#include "tsad.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: tsad-edge [--model LIB.so] [--threshold X] [--time NAME] [--events] [--baseline FILE] FILE.csv | -\n"
    "       tsad-edge [--model LIB.so] [--time NAME] --baseline FILE --learn NORMAL.csv | -\n"
    "       tsad-edge [--model LIB.so] --baseline FILE --rollback\n"
    "\n"
    "Scores every row of a CSV file with a compiled detector and writes CSV: t,score,alarm,quality.\n"
    "\n"
    "  --model LIB.so   a model library made by `tsad convert`; without it the built-in reference model\n"
    "  --threshold X    alarm where score > X, instead of the model's own threshold\n"
    "  --time NAME      the column that holds the time, instead of the first named timestamp, time, t or date\n"
    "  --events         write events instead: id,start,end,peak,peak_t,top (top: channel with the largest share, or "
    "-1)\n"
    "  --baseline FILE  scaler and threshold as they were learnt anew on site, instead of the model's own\n"
    "  --learn          learn them from rows that are declared normal, and write FILE, which keeps the one before, "
    "too\n"
    "  --rollback       go back to the one before (after one --learn: to the model's own)\n"
    "  --version        version and model ABI; and the model's name, its id and the checksum of its weights\n"
    "  FILE.csv         '-' reads standard input and answers each row at once\n"
    "\n"
    "Columns: the time holds integers or ISO 8601 times (then t is in milliseconds, UTC); without one t is the row's\n"
    "index. Channels are found by the model's names, in any order; other columns are ignored. Where there is no "
    "header,\n"
    "all columns are channels, in the model's order; where the model has no names, all but the time and is_anomaly,\n"
    "label, anomaly. A field that is empty, nan or inf makes a row that is refused (score nan, alarm 0), unless the\n"
    "model's guard has a policy for it.\n"
    "\n"
    "quality is 0, or the sum of what the guard found: 1 not finite, 2 out of the learned range, 4 stuck, 8 jump, 16 "
    "gap\n"
    "in time, 32 step back in time, 64 a value was replaced by the one before.\n"
    "\n"
    "The environment variable TSAD_ISA (generic, avx2, avx512) chooses kernels instead of the fastest that run here.\n"
    "\n"
    "Exit status: 0 done, 1 out of memory or output not written, 2 usage, 3 input bad or too short, 4 model.\n";

typedef struct options {
    const char *model;
    const char *file;
    const char *baseline;
    const char *time; /* name of the column; NULL: one of the usual names */
    float threshold;
    int has_threshold;
    int events;
    int learn;
    int rollback;
    int version;
} options;

/* ---------------------------------------------------------------- command line and model */

/* Of the model that is built in, by library.c. */
tsad_model_get_fn tsad_model_get;
tsad_config_get_fn tsad_config_get;

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, options *o) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(USAGE, stdout);
            return EXIT_OK;
        } else if (strcmp(word, "--version") == 0) {
            o->version = 1;
        } else if (strcmp(word, "--events") == 0) {
            o->events = 1;
        } else if (strcmp(word, "--learn") == 0) {
            o->learn = 1;
        } else if (strcmp(word, "--rollback") == 0) {
            o->rollback = 1;
        } else if (strcmp(word, "--model") == 0 || strcmp(word, "--threshold") == 0 || strcmp(word, "--time") == 0 ||
                   strcmp(word, "--baseline") == 0) {
            if (i + 1 == argc)
                return fail(EXIT_USAGE, "%s wants a value\n\n%s", word, USAGE);
            const char *value = argv[++i];
            if (strcmp(word, "--model") == 0) {
                o->model = value;
            } else if (strcmp(word, "--time") == 0) {
                o->time = value;
            } else if (strcmp(word, "--baseline") == 0) {
                o->baseline = value;
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
    if (o->learn + o->rollback > (o->baseline != NULL) || (o->learn && o->events) ||
        (o->baseline != NULL && o->has_threshold) || (o->rollback && o->file != NULL))
        return fail(EXIT_USAGE, "these options do not go together\n\n%s", USAGE);
    return o->file != NULL || o->version || o->rollback ? -1 : fail(EXIT_USAGE, "no file given\n\n%s", USAGE);
}

/* dlsym gives an object pointer; ISO C wants its bits copied to become a function. */
static int find_function(void *library, const char *name, void *function, size_t size) {
    void *found = dlsym(library, name);
    memcpy(function, &found, size);
    return found != NULL;
}

/* The library stays open until the process ends: the model lives in it. */
static int open_library(const char *path, tsad_model_get_fn **model_get, tsad_config_get_fn **config_get) {
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
    if (!find_function(library, TSAD_MODEL_GET, model_get, sizeof *model_get) ||
        !find_function(library, TSAD_CONFIG_GET, config_get, sizeof *config_get))
        return fail(EXIT_MODEL, "%s: is not a model library of tsad-edge; `tsad convert` makes them", path);
    return EXIT_OK;
}

/* Without a path it is the model that is built in. */
static int open_model(const char *path, const tsad_model **model, const tsad_config **config) {
    tsad_model_get_fn *model_get = tsad_model_get;
    tsad_config_get_fn *config_get = tsad_config_get;
    const char *const name = path != NULL ? path : "the built-in model", *const isa = getenv(TSAD_ISA_VARIABLE);
    const int code = path != NULL ? open_library(path, &model_get, &config_get) : EXIT_OK;
    if (code != EXIT_OK)
        return code;
    *model = model_get(NULL);
    if (*model == NULL && isa != NULL)
        return fail(EXIT_MODEL,
                    "%s: has no model for the instruction set '%s' that this machine can run; unset " TSAD_ISA_VARIABLE
                    ", or set it to generic",
                    name, isa);
    if (*model == NULL)
        return fail(EXIT_MODEL, "%s: has no model that this machine can run; convert it again here", name);
    if ((*model)->abi != TSAD_MODEL_ABI)
        return fail(EXIT_MODEL, "%s: was made for model ABI %" PRIu32 ", this program reads %d; convert it again", name,
                    (*model)->abi, TSAD_MODEL_ABI);
    *config = config_get();
    return EXIT_OK;
}

static int bad_model(const options *o, const tsad_model *m, int status) {
    return fail(EXIT_MODEL, "%s: %s; convert it again", o->model != NULL ? o->model : m->name,
                tsad_status_text(status));
}

/* The weights are read, too: what is told is what is there. */
static int say_version(const options *o, const tsad_model *m) {
    const int status = tsad_model_check(m);
    if (status < 0)
        return bad_model(o, m, status);
    printf("tsad-edge %s (model ABI %d)\n", TSAD_VERSION, TSAD_MODEL_ABI);
    printf("%s %s, weights' CRC-32 %08" PRIx32 ", kernels %s\n", m->name, m->id, m->crc, m->isa);
    return EXIT_OK;
}

/* ---------------------------------------------------------------- the run */

static void print_event(const tsad_event *e) {
    printf("%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.9g,%" PRIu64 ",%" PRId32 "\n", e->id, e->start, e->end,
           (double)e->peak, e->peak_t, e->top);
}

static void print_score(int64_t t, const tsad_result *r, int status) {
    const uint32_t quality = status == TSAD_ERR_INPUT ? TSAD_NOT_FINITE : r->quality;
    if (status == TSAD_OK)
        printf("%" PRId64 ",%.9g,%" PRId32 ",%" PRIu32 "\n", t, (double)r->score, r->alarm, quality);
    else
        printf("%" PRId64 ",nan,0,%" PRIu32 "\n", t, quality);
}

/* There is a column of times: the row's index, which stands in for one, always increases. */
static int time_stands(const table *t, const tsad *d) {
    char remedy[128];
    size_t column = 0;
    while (t->roles[column] != COLUMN_TIME)
        column++;
    sprintf(remedy, "is not after t = %" PRIu64 " of an earlier row; sort the rows by time, one row for each time",
            d->last_t);
    return table_bad_field(t, column, remedy);
}

/* Steps through all rows. `pending`: the reader already stands on the first one. */
static int run(table *t, tsad *d, float *sample, int pending, const options *o) {
    const int at_once = strcmp(o->file, "-") == 0;
    int64_t row = 0;
    int scored = 0;
    puts(o->events ? "id,start,end,peak,peak_t,top" : "t,score,alarm,quality");
    for (;; row++, pending = 0) {
        const enum csv_result result = pending ? CSV_ROW : csv_next(&t->csv);
        if (result == CSV_NO_MEMORY)
            return out_of_memory();
        if (result == CSV_BAD)
            return table_bad_line(t);
        if (result == CSV_END)
            break;
        int64_t time = row;
        tsad_result r;
        const int bad = table_row(t, &time, sample);
        if (bad)
            return bad;
        const int status = tsad_step(d, (uint64_t)time, sample, &r);
        if (status == TSAD_ERR_TIME)
            return time_stands(t, d);
        if (!o->events)
            print_score(time, &r, status);
        else if (status >= 0 && r.event == TSAD_EVENT_ENDED)
            print_event(&d->record);
        scored |= status == TSAD_OK;
        if (at_once)
            fflush(stdout);
    }
    if (tsad_finish(d) && o->events)
        print_event(&d->record);
    /* Silence must not pass for "no events". */
    if (!scored)
        return fail(EXIT_INPUT,
                    "%s: no row has a score: the model %s wants %" PRIu32 " rows for its first, with nothing between "
                    "them that resets the window, and takes %" PRIu64 " of %" PRId64 "; give a longer recording",
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
        code = table_columns(&t, m, o->time, &pending);
    if (code == EXIT_OK)
        code = o->learn ? baseline_learn(o->baseline, d, &t, sample, pending) : run(&t, d, sample, pending, o);
    table_free(&t);
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
        if (o.version)
            return say_version(&o, m);
        tsad_config config;
        int status = tsad_config_copy(&config, standard);
        if (o.has_threshold) {
            config.threshold = o.threshold;
            config.spot.every = 0;
        }
        const size_t size = tsad_memory_size(m, &config, 1);
        void *memory = malloc(size != 0 ? size : 1);
        if (memory == NULL)
            return out_of_memory();
        if (status == TSAD_OK)
            status = tsad_init(&d, m, &config, memory, size);
        code = status < 0 ? bad_model(&o, m, status) : EXIT_OK;
        if (code == EXIT_OK && o.baseline != NULL && !o.rollback)
            code = baseline_use(o.baseline, &d, o.learn);
        if (code == EXIT_OK)
            code = o.rollback ? baseline_rollback(o.baseline, &d) : score_file(&o, m, &d);
        free(memory);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        return fail(EXIT_SYSTEM, "the output could not be written");
    return code;
}
