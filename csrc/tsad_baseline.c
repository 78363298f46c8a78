/*
 * tsad_baseline.c - scaler and threshold learnt anew on site, and their image for flash; what they mean is in tsad.h.
 * How values and scores are learnt from stands in tsad_statistics.c.
 */
#include "tsad_parts.h"
#include "tsad_statistics.h"

#include <string.h>

/* ---------------------------------------------------------------- part of a detector */

int tsad_baseline_is_right(const tsad_model *m, const tsad_baseline_config *c) {
    return c->samples == 0u || (m->table_count == 2u * m->channels && c->risk > 0.0f && c->unit > 0.0f &&
                                c->shift > 0.0f && c->stretch >= 1.0f && c->least <= c->most);
}

size_t tsad_baseline_size(const tsad_model *m, const tsad_config *c, int *overflow) {
    if (c->baseline.samples == 0u)
        return 0;
    tsad_add(tsad_times(m->channels, 16u, overflow), sizeof(tsad_learning) + 2u * TSAD_ALIGN, overflow);
    return TSAD_BASELINE_SIZE(m->channels);
}

unsigned char *tsad_baseline_place(tsad *d, unsigned char *memory) {
    const tsad_model *m = d->model;
    d->learning = NULL;
    d->own_table = d->other_table = NULL;
    if (d->config.baseline.samples == 0u)
        return memory;
    tsad_learning *l = d->learning = (tsad_learning *)(void *)memory;
    d->own_table = (float *)(void *)(memory + TSAD_ROUND_UP(sizeof *l));
    d->other_table = d->own_table + m->table_count;
    memcpy(d->own_table, m->table, m->table_count * sizeof(float));
    d->table = d->own_table;
    l->active = 0;
    l->shift = l->stretch = l->threshold = tsad_nan();
    l->shifted = l->stretched = 0;
    l->factory_threshold = d->config.threshold;
    l->factory_tail = d->config.spot.tail;
    return memory + TSAD_BASELINE_SIZE(m->channels);
}

/* ---------------------------------------------------------------- learning */

int tsad_baseline_begin(tsad *d) {
    if (d == NULL || d->learning == NULL || d->learning->active)
        return TSAD_ERR_ARG;
    tsad_learning *l = d->learning;
    l->active = 1;
    l->switched = 0;
    l->taken = 0;
    l->threshold = tsad_nan();
    l->highest.seen = 0;
    l->highest.kept = 0;
    memset(d->other_table, 0, d->model->table_count * sizeof(float));
    return TSAD_OK;
}

static void swap_tables(tsad *d) {
    for (uint32_t i = 0; i < d->model->table_count; i++) {
        const float kept = d->own_table[i];
        d->own_table[i] = d->other_table[i];
        d->other_table[i] = kept;
    }
}

/* Ends the learning with nothing learnt. */
static int refuse(tsad *d) {
    if (d->learning->switched)
        swap_tables(d);
    d->learning->active = 0;
    tsad_reset(d);
    return TSAD_ERR_BASELINE;
}

/* Of the moments in `other` makes a table, and notes the largest changes. 0: one of them is beyond the limits. */
static int make_table(tsad *d) {
    tsad_learning *l = d->learning;
    const tsad_baseline_config *c = &d->config.baseline;
    const uint32_t channels = d->model->channels;
    const float *offset = d->model->table, *scale = offset + channels;
    int right = 1;
    l->shift = 0.0f;
    l->stretch = 1.0f;
    l->shifted = l->stretched = 0;
    for (uint32_t i = 0; i < channels; i++) {
        const float moved = d->other_table[i],
                    deviation = tsad_deviation(d->other_table[channels + i], c->samples) / c->unit;
        const float shift = tsad_magnitude(moved / c->unit);
        const float times = deviation > 0.0f ? deviation : 1.0f; /* what does not move tells nothing of its scale */
        const float stretch = times < 1.0f ? 1.0f / times : times;
        right &= shift <= c->shift && stretch <= c->stretch;
        if (!(shift <= l->shift)) {
            l->shift = shift;
            l->shifted = i;
        }
        if (!(stretch <= l->stretch)) {
            l->stretch = stretch;
            l->stretched = i;
        }
        d->other_table[i] = scale[i] != 0.0f ? offset[i] + moved / scale[i] : offset[i];
        d->other_table[channels + i] = scale[i] / times;
    }
    return right;
}

int tsad_baseline_sample(tsad *d, const float *sample) {
    if (d == NULL || sample == NULL || d->learning == NULL || !d->learning->active)
        return TSAD_ERR_ARG;
    tsad_learning *l = d->learning;
    const uint32_t each = d->config.baseline.samples, channels = d->model->channels;
    const float *offset = d->model->table, *scale = offset + channels;
    if (l->highest.seen == each)
        return TSAD_OK;
    for (uint32_t i = 0; i < channels; i++)
        if (!tsad_is_finite(sample[i]))
            return TSAD_ERR_INPUT;
    if (l->switched) {
        float score;
        tsad_score(d, sample, 1, &score);
        if (tsad_is_finite(score))
            tsad_highest_add(&l->highest, score);
        return l->highest.seen == each ? TSAD_OK : TSAD_WARMING_UP;
    }
    l->taken++;
    for (uint32_t i = 0; i < channels; i++)
        tsad_moments_add((sample[i] - offset[i]) * scale[i], l->taken, &d->other_table[i],
                         &d->other_table[channels + i]);
    if (l->taken < each)
        return TSAD_WARMING_UP;
    if (!make_table(d))
        return refuse(d);
    swap_tables(d);
    l->switched = 1;
    tsad_reset(d);
    return TSAD_WARMING_UP;
}

int tsad_baseline_finish(tsad *d) {
    if (d == NULL || d->learning == NULL || !d->learning->active)
        return TSAD_ERR_ARG;
    tsad_learning *l = d->learning;
    const tsad_baseline_config *c = &d->config.baseline;
    tsad_tail tail;
    if (l->highest.seen == c->samples && tsad_tail_learn(&l->highest, c->risk, &tail))
        l->threshold = tsad_tail_level(&tail, c->risk, tail.excess, (float)tail.gap);
    if (!(l->threshold >= c->least && l->threshold <= c->most))
        return refuse(d);
    l->active = 0;
    d->config.threshold = l->threshold;
    d->config.spot.tail = tail;
    tsad_reset(d);
    return TSAD_OK;
}

/* ---------------------------------------------------------------- image: words of 32 bits, little-endian */

enum { MAGIC, FORMAT, MODEL_CRC, MODEL_ID, SEQUENCE, CHANNELS, THRESHOLD, START, SHAPE, EXCESS, GAP, TABLE };
#define MAGIC_WORD 0x4c425354u /* "TSBL" */
#define FORMAT_WORD 1u

static uint32_t word_at(const unsigned char *image, uint32_t word) {
    const unsigned char *b = image + 4u * word;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static float float_at(const unsigned char *image, uint32_t word) { return tsad_from_bits(word_at(image, word)); }

static void put_word(unsigned char *image, uint32_t word, uint32_t value) {
    for (uint32_t k = 0; k < 4u; k++)
        image[4u * word + k] = (unsigned char)(value >> (8u * k));
}

static void put_float(unsigned char *image, uint32_t word, float value) { put_word(image, word, tsad_bits(value)); }

static uint32_t crc_of(const unsigned char *bytes, size_t count) {
    uint32_t crc = 0xffffffffu;
    while (count-- > 0)
        crc = tsad_crc_byte(crc, *bytes++);
    return ~crc;
}

static uint32_t id_of(const tsad_model *m) {
    uint32_t crc = 0xffffffffu;
    for (const char *c = m->id; *c != '\0'; c++)
        crc = tsad_crc_byte(crc, (unsigned char)*c);
    return ~crc;
}

static uint32_t last_word(const tsad_model *m) { return TABLE + 2u * m->channels; }

static tsad_tail tail_at(const unsigned char *image) {
    const tsad_tail tail = {float_at(image, START), float_at(image, SHAPE), float_at(image, EXCESS),
                            word_at(image, GAP)};
    return tail;
}

/* As tsad_init would take them: a checksum says that they are what was written, not that it made sense. */
static int values_can_be(const tsad_model *m, const unsigned char *image) {
    int right = !tsad_is_nan(float_at(image, THRESHOLD));
    for (uint32_t i = 0; i < m->table_count; i++)
        right &= tsad_is_finite(float_at(image, TABLE + i));
    return right;
}

/* The image is whole, of this model, and has a tail where one is wanted: its writer's config may have been another. */
static int is_usable(const tsad *d, const unsigned char *image) {
    const tsad_model *m = d->model;
    const tsad_tail tail = tail_at(image);
    return word_at(image, MAGIC) == MAGIC_WORD && word_at(image, FORMAT) == FORMAT_WORD &&
           word_at(image, MODEL_CRC) == m->crc && word_at(image, MODEL_ID) == id_of(m) &&
           word_at(image, CHANNELS) == m->channels &&
           word_at(image, last_word(m)) == crc_of(image, 4u * (size_t)last_word(m)) && values_can_be(m, image) &&
           (d->peaks == NULL || tsad_tail_is_right(&tail, d->config.spot.risk));
}

static void write_image(const tsad *d, uint32_t sequence, unsigned char *image) {
    const tsad_model *m = d->model;
    const tsad_tail *tail = &d->config.spot.tail;
    put_word(image, MAGIC, MAGIC_WORD);
    put_word(image, FORMAT, FORMAT_WORD);
    put_word(image, MODEL_CRC, m->crc);
    put_word(image, MODEL_ID, id_of(m));
    put_word(image, SEQUENCE, sequence);
    put_word(image, CHANNELS, m->channels);
    put_float(image, THRESHOLD, d->config.threshold);
    put_float(image, START, tail->start);
    put_float(image, SHAPE, tail->shape);
    put_float(image, EXCESS, tail->excess);
    put_word(image, GAP, tail->gap);
    for (uint32_t i = 0; i < m->table_count; i++)
        put_float(image, TABLE + i, d->table[i]);
    put_word(image, last_word(m), crc_of(image, 4u * (size_t)last_word(m)));
}

static void read_image(tsad *d, const unsigned char *image) {
    d->config.threshold = float_at(image, THRESHOLD);
    d->config.spot.tail = tail_at(image);
    for (uint32_t i = 0; i < d->model->table_count; i++)
        d->own_table[i] = float_at(image, TABLE + i);
    tsad_reset(d);
}

static void read_factory(tsad *d) {
    d->config.threshold = d->learning->factory_threshold;
    d->config.spot.tail = d->learning->factory_tail;
    memcpy(d->own_table, d->model->table, d->model->table_count * sizeof(float));
    tsad_reset(d);
}

/* ---------------------------------------------------------------- two slots */

/* Sequence numbers may wrap: the newer of two is less than half of all numbers ahead. */
static int is_newer(uint32_t a, uint32_t b) { return a - b - 1u < 0x7fffffffu; }

/* The slot with the newest usable image, or -1. */
static int newest(const tsad *d, const unsigned char *const slots[2]) {
    const int first = is_usable(d, slots[0]), second = is_usable(d, slots[1]);
    if (first && second)
        return is_newer(word_at(slots[1], SEQUENCE), word_at(slots[0], SEQUENCE));
    return first ? 0 : second ? 1 : -1;
}

static int can_be_asked(const tsad *d, const unsigned char *const slots[2]) {
    return d != NULL && d->learning != NULL && !d->learning->active && slots != NULL && slots[0] != NULL &&
           slots[1] != NULL;
}

int tsad_baseline_load(tsad *d, const unsigned char *const slots[2]) {
    if (!can_be_asked(d, slots))
        return TSAD_ERR_ARG;
    const int from = newest(d, slots);
    if (from < 0)
        return TSAD_ERR_BASELINE;
    read_image(d, slots[from]);
    return TSAD_OK;
}

int tsad_baseline_save(const tsad *d, const unsigned char *const slots[2], unsigned char *image, int *slot) {
    if (!can_be_asked(d, slots) || image == NULL || slot == NULL)
        return TSAD_ERR_ARG;
    const int latest = newest(d, slots);
    write_image(d, latest < 0 ? 1u : word_at(slots[latest], SEQUENCE) + 1u, image);
    *slot = latest == 0;
    return TSAD_OK;
}

int tsad_baseline_rollback(tsad *d, const unsigned char *const slots[2], unsigned char *image, int *slot) {
    if (!can_be_asked(d, slots) || image == NULL || slot == NULL)
        return TSAD_ERR_ARG;
    const int latest = newest(d, slots);
    if (latest < 0)
        return TSAD_ERR_BASELINE;
    const uint32_t sequence = word_at(slots[latest], SEQUENCE) + 1u;
    if (is_usable(d, slots[1 - latest]))
        read_image(d, slots[1 - latest]);
    else
        read_factory(d);
    write_image(d, sequence, image);
    *slot = latest;
    return TSAD_OK;
}
