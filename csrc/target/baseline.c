/*
 * baseline.c - see baseline.h. A slot is written in its place: whatever happens meanwhile, the other one stands.
 */
#include "baseline.h"

#include "fail.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct slots {
    size_t size; /* of an image */
    unsigned char *bytes;
    const unsigned char *at[2];
    unsigned char *image; /* a third one, to be written */
} slots;

/* What is not in the file is as erased flash. */
static int read_slots(slots *s, const char *path, const tsad *d, int may_lack) {
    s->size = TSAD_BASELINE_IMAGE(d->model->channels);
    s->bytes = (unsigned char *)malloc(3 * s->size);
    if (s->bytes == NULL)
        return out_of_memory();
    memset(s->bytes, 0xff, 3 * s->size);
    s->at[0] = s->bytes;
    s->at[1] = s->bytes + s->size;
    s->image = s->bytes + 2 * s->size;
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return may_lack && errno == ENOENT
                   ? EXIT_OK
                   : fail(EXIT_INPUT, "%s: cannot be read: %s; --learn makes a baseline", path, strerror(errno));
    (void)fread(s->bytes, 1, 2 * s->size, file);
    fclose(file);
    return EXIT_OK;
}

static int write_slot(const slots *s, const char *path, int slot) {
    FILE *file = fopen(path, "r+b");
    if (file == NULL)
        file = fopen(path, "wb");
    int good = file != NULL && fseek(file, (long)((size_t)slot * s->size), SEEK_SET) == 0 &&
               fwrite(s->image, 1, s->size, file) == s->size;
    good &= file != NULL && fclose(file) == 0;
    return good ? EXIT_OK : fail(EXIT_SYSTEM, "%s: cannot be written: %s", path, strerror(errno));
}

static int bad_baseline(const char *path, const tsad *d, int status) {
    return status == TSAD_ERR_ARG
               ? fail(EXIT_MODEL, "the baseline of %s cannot be learnt anew: train.baseline.samples was 0",
                      d->model->name)
               : fail(EXIT_INPUT, "%s: holds no whole baseline of this model, %s; --learn makes one", path,
                      d->model->name);
}

int baseline_use(const char *path, tsad *d, int may_lack) {
    slots s;
    int code = read_slots(&s, path, d, may_lack);
    if (code == EXIT_OK) {
        const int status = tsad_baseline_load(d, s.at);
        if (status != TSAD_OK && (status == TSAD_ERR_ARG || !may_lack))
            code = bad_baseline(path, d, status);
    }
    free(s.bytes);
    return code;
}

int baseline_rollback(const char *path, tsad *d) {
    slots s;
    int slot;
    int code = read_slots(&s, path, d, 0);
    if (code == EXIT_OK) {
        const int status = tsad_baseline_rollback(d, s.at, s.image, &slot);
        code = status == TSAD_OK ? write_slot(&s, path, slot) : bad_baseline(path, d, status);
    }
    if (code == EXIT_OK)
        printf("threshold %.9g\n", (double)d->threshold);
    free(s.bytes);
    return code;
}

static void channel(char *text, size_t size, const tsad_model *m, uint32_t c) {
    if (m->channel_names != NULL)
        snprintf(text, size, "%s", m->channel_names[c]);
    else
        snprintf(text, size, "channel %" PRIu32, c);
}

/* What was found, as a text. */
static void changes(char *text, size_t size, const tsad *d) {
    char shifted[64], stretched[64];
    channel(shifted, sizeof shifted, d->model, d->learning->shifted);
    channel(stretched, sizeof stretched, d->model, d->learning->stretched);
    snprintf(
        text, size,
        "threshold %.9g, largest shift of a mean %.3g deviations (%s), largest change of a deviation %.3g times (%s)",
        (double)d->learning->threshold, (double)d->learning->shift, shifted, (double)d->learning->stretch, stretched);
}

int baseline_learn(const char *path, tsad *d, table *t, float *sample, int pending) {
    char found[320];
    const tsad_baseline_config *c = &d->config.baseline;
    int status = tsad_baseline_begin(d);
    if (status != TSAD_OK)
        return bad_baseline(path, d, status);
    status = TSAD_WARMING_UP;
    for (; status == TSAD_WARMING_UP || status == TSAD_ERR_INPUT; pending = 0) {
        int64_t time;
        const enum csv_result result = pending ? CSV_ROW : csv_next(&t->csv);
        if (result == CSV_NO_MEMORY)
            return out_of_memory();
        if (result == CSV_BAD)
            return table_bad_line(t);
        if (result == CSV_END)
            return fail(EXIT_INPUT,
                        "%s: too short: %" PRIu32 " complete rows give the scaler, and %" PRIu32
                        " more a threshold; give a longer recording of normal operation",
                        t->name, c->samples, c->samples + d->model->window - 1);
        const int bad = table_row(t, &time, sample);
        if (bad)
            return bad;
        status = tsad_baseline_sample(d, sample);
    }
    if (status == TSAD_OK)
        status = tsad_baseline_finish(d);
    changes(found, sizeof found, d);
    if (status != TSAD_OK)
        return fail(EXIT_INPUT,
                    "%s: refused, the baseline stays: %s; allowed are %.3g to %.3g, %.3g deviations, %.3g times. Look "
                    "at the data, or at train.baseline in params.yaml",
                    t->name, found, (double)c->least, (double)c->most, (double)c->shift, (double)c->stretch);
    slots s;
    int slot;
    int code = read_slots(&s, path, d, 1);
    if (code == EXIT_OK) {
        tsad_baseline_save(d, s.at, s.image, &slot);
        code = write_slot(&s, path, slot);
    }
    if (code == EXIT_OK)
        puts(found);
    free(s.bytes);
    return code;
}
