/*
 * tsad.c - the detector: memory, window, warm-up and scores; the guard over samples is tsad_guard.c, what becomes of a
 * score tsad_event.c. Nothing here is about learning.
 *
 * The window stays contiguous: slots are appended, and when their room is full the last W-1 move to its front. So
 * forward sees n overlapping windows as W+n-1 slots in a row, and with a batch each slot moves about W / batch times.
 */
#include "tsad_parts.h"

#include <string.h>

const char *tsad_status_text(int status) {
    switch (status) {
    case TSAD_OK:
        return "ok";
    case TSAD_WARMING_UP:
        return "warming up: the window is not full yet";
    case TSAD_ERR_ARG:
        return "an argument is null or misaligned, or the config is too short or has a value that cannot be";
    case TSAD_ERR_ABI:
        return "the model was generated for another version of tsad_model";
    case TSAD_ERR_MEMORY:
        return "the memory is smaller than model and config need";
    case TSAD_ERR_CRC:
        return "the model's weights are damaged: their CRC is not the one it was generated with";
    case TSAD_ERR_INPUT:
        return "a value of the sample is NaN or infinite";
    case TSAD_ERR_TIME:
        return "time does not increase";
    case TSAD_ERR_BASELINE:
        return "a baseline learnt on site is beyond its limits, or has no whole image";
    default:
        return "unknown status";
    }
}

/* ---------------------------------------------------------------- model */

uint32_t tsad_crc_byte(uint32_t crc, unsigned byte) {
    /* Half a byte at a time: 64 bytes of table instead of 1024. */
    static const uint32_t nibble[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
                                        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
                                        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    crc ^= byte;
    crc = (crc >> 4) ^ nibble[crc & 15u];
    return (crc >> 4) ^ nibble[crc & 15u];
}

uint32_t tsad_model_crc(const tsad_model *m) {
    const uint16_t probe = 1;
    const int little = *(const unsigned char *)&probe == 1;
    uint32_t crc = 0xffffffffu;
    for (uint32_t a = 0; a < m->weight_arrays; a++) {
        const tsad_span *span = &m->weights[a];
        const unsigned char *value = (const unsigned char *)span->data;
        for (uint32_t i = 0; i < span->count; i++, value += span->width)
            for (uint32_t k = 0; k < span->width; k++)
                crc = tsad_crc_byte(crc, value[little ? k : span->width - 1 - k]);
    }
    return ~crc;
}

int tsad_model_check(const tsad_model *m) {
    if (m == NULL)
        return TSAD_ERR_ARG;
    if (m->abi != TSAD_MODEL_ABI)
        return TSAD_ERR_ABI;
    return tsad_model_crc(m) == m->crc ? TSAD_OK : TSAD_ERR_CRC;
}

/* ---------------------------------------------------------------- memory: parts of the config, slots, state, arena,
 * parts */

/* Of a stream, whether a series' windows are to be taken at once. On boards none are: the code would be for nothing. */
static int in_bulk(const tsad_model *m) {
#ifdef TSAD_HOST
    return m->in_bulk != 0;
#else
    return (void)m, 0;
#endif
}

/* Otherwise it keeps its own past and needs only the newest slot. */
static int takes_windows(const tsad_model *m, size_t batch) { return m->state_size == 0 || (in_bulk(m) && batch > 1); }

/* Slots there is room for. */
static size_t slot_room(const tsad_model *m, size_t batch) {
    return takes_windows(m, batch) ? m->window + batch - 1 : 1;
}

/* 0: overflow, or no such detector. The config is of this release. */
static size_t memory_size(const tsad_model *m, const tsad_config *c, size_t batch) {
    int overflow = 0;
    if (m->window == 0 || m->channels == 0 || m->slot_size == 0 || batch == 0)
        return 0;
    const size_t room = takes_windows(m, batch) ? tsad_add(m->window, batch - 1, &overflow) : 1;
    size_t size = tsad_add(tsad_times(room, m->slot_size, &overflow), m->state_size, &overflow);
    size = tsad_add(size, m->arena_fixed, &overflow);
    size = tsad_add(size, tsad_times(batch, m->arena_window, &overflow), &overflow);
    size = tsad_add(size, tsad_times(m->parts, sizeof(float), &overflow), &overflow);
    tsad_add(size, 4 * TSAD_ALIGN, &overflow); /* more than all rounding up adds */
    if (overflow)
        return 0;
    size = TSAD_MEMORY_SIZE(m->window, m->slot_size, m->state_size, m->parts, m->arena_fixed, m->arena_window, batch);
    if (m->state_size != 0 && takes_windows(m, batch)) /* the slots of more than the newest */
        size += TSAD_ROUND_UP(room * m->slot_size) - TSAD_ROUND_UP((size_t)m->slot_size);
    size = tsad_add(size, tsad_guard_size(m, c, &overflow), &overflow);
    size = tsad_add(size, tsad_event_size(c, &overflow), &overflow);
    size = tsad_add(size, tsad_spot_size(c), &overflow);
    size = tsad_add(size, tsad_baseline_size(m, c, &overflow), &overflow);
    return overflow ? 0 : size;
}

size_t tsad_memory_size(const tsad_model *m, const tsad_config *c, size_t batch) {
    tsad_config config;
    if (m == NULL || tsad_config_copy(&config, c) != TSAD_OK)
        return 0;
    return memory_size(m, &config, batch);
}

/* The most windows at once that `size` bytes, known to be enough for one, have room for. */
static size_t batch_for(const tsad_model *m, const tsad_config *c, size_t size) {
    const size_t per_window = (size_t)m->slot_size + m->arena_window;
    if (m->state_size != 0 && !in_bulk(m))
        return 1;
    /* One window's slots may have been rounded up already; that much may serve the others. Then down to what fits. */
    size_t batch = 1 + (size - memory_size(m, c, 1) + (TSAD_ALIGN - 1)) / per_window;
    while (batch > 1 && (memory_size(m, c, batch) == 0 || memory_size(m, c, batch) > size))
        batch--;
    return batch;
}

int tsad_config_copy(tsad_config *to, const tsad_config *from) {
    const size_t oldest = offsetof(tsad_config, threshold) + sizeof(float);
    if (to == NULL || from == NULL || from->size < oldest)
        return TSAD_ERR_ARG;
    const size_t known = from->size < sizeof *to ? from->size : sizeof *to;
    memmove(to, from, known); /* both may be the same */
    memset((unsigned char *)to + known, 0, sizeof *to - known);
    to->size = (uint32_t)sizeof *to;
    return TSAD_OK;
}

int tsad_init(tsad *d, const tsad_model *m, const tsad_config *c, void *memory, size_t size) {
    if (d == NULL || m == NULL || c == NULL || memory == NULL)
        return TSAD_ERR_ARG;
    const int status = tsad_model_check(m);
    if (status != TSAD_OK)
        return status;
    tsad_config config;
    if ((uintptr_t)memory % TSAD_ALIGN != 0 || tsad_config_copy(&config, c) != TSAD_OK ||
        tsad_is_nan(config.threshold) || !tsad_guard_is_right(&config.guard) || !tsad_event_is_right(&config.events) ||
        !tsad_spot_is_right(&config.spot) || !tsad_baseline_is_right(m, &config.baseline))
        return TSAD_ERR_ARG;
    const size_t least = memory_size(m, &config, 1);
    if (least == 0 || size < least)
        return TSAD_ERR_MEMORY;

    d->model = m;
    d->config = config;
    d->table = m->table;
    d->batch = batch_for(m, &config, size);
    unsigned char *place = tsad_guard_place(d, (unsigned char *)memory);
    place = tsad_event_place(d, place);
    place = tsad_spot_place(d, place);
    d->slots = tsad_baseline_place(d, place);
    d->state = d->slots + TSAD_ROUND_UP(slot_room(m, d->batch) * m->slot_size);
    d->arena = d->state + TSAD_ROUND_UP((size_t)m->state_size);
    d->parts = (float *)(void *)(d->arena + TSAD_ROUND_UP((size_t)m->arena_fixed + d->batch * m->arena_window));
    tsad_reset(d);
    return TSAD_OK;
}

/* ---------------------------------------------------------------- samples */

static void empty_window(tsad *d) {
    d->used = 0;
    d->in_row = 0;
    d->behind = 0;
    d->smooth = tsad_nan();
    tsad_guard_forget(d);
    if (d->model->state_size != 0)
        d->model->state_reset(d->state);
}

void tsad_reset(tsad *d) {
    d->taken = 0;
    d->last_t = 0;
    d->timed = 0;
    empty_window(d);
    tsad_event_forget(d);
    tsad_spot_forget(d);
}

int tsad_interrupt(tsad *d) {
    const int ended = tsad_finish(d);
    if (d != NULL)
        empty_window(d);
    return ended;
}

/* Makes room behind the used slots for up to `wanted` more, or for as many as the memory was made for. */
static void make_room(tsad *d, size_t wanted) {
    const tsad_model *m = d->model;
    const size_t kept = (size_t)m->window - 1;
    if (!takes_windows(m, d->batch)) {
        d->used = 0;
    } else if (d->used > kept && slot_room(m, d->batch) - d->used < wanted) {
        memmove(d->slots, d->slots + (d->used - kept) * m->slot_size, kept * m->slot_size);
        d->used = kept;
    }
}

/* Takes a sample that is to be taken; room for it has been made. */
static void append(tsad *d, const float *sample, uint32_t quality) {
    const float *values = tsad_guard_take(d, sample, quality);
    d->model->enter(values, d->table, d->slots + d->used * d->model->slot_size);
    d->used++;
    d->taken++;
    d->in_row++;
}

/* A stream's state takes what it has not seen before the newest sample; of that, a window is all that counts. */
static void catch_up(tsad *d) {
    const tsad_model *m = d->model;
    float score;
    if (d->behind >= m->window) {
        m->state_reset(d->state);
        d->behind = (size_t)m->window - 1;
    }
    for (; d->behind > 0; d->behind--)
        m->advance(d->state, d->slots + (d->used - 1 - d->behind) * m->slot_size, &score, NULL, d->arena);
}

static void advance(tsad *d, float *score, float *parts) {
    const tsad_model *m = d->model;
    if (in_bulk(m))
        catch_up(d);
    m->advance(d->state, d->slots + (d->used - 1) * m->slot_size, score, parts, d->arena);
}

static int is_warm(const tsad *d) { return d->in_row >= d->model->window; }

/* ---------------------------------------------------------------- scores */

/*
 * What the model says, made the detector's score. NaN is what forward makes of finite but absurd samples (inf - inf):
 * that must not pass as "no alarm". An infinity would stay in the sum for ever, so smoothing begins anew after it.
 */
static float told(tsad *d, float x) {
    const float share = d->config.events.smoothing;
    if (tsad_is_nan(x))
        x = tsad_from_bits(TSAD_EXPONENT);
    if (share > 0.0f && tsad_is_finite(d->smooth))
        x = d->smooth + share * (x - d->smooth);
    d->smooth = x;
    return x;
}

/* The clock, and what the step says of its sample. */
static void begin_result(tsad *d, uint64_t t, float score, uint32_t quality, tsad_result *r) {
    d->last_t = t;
    d->timed = 1;
    r->t = t;
    r->score = score;
    r->quality = quality;
    r->window_quality = tsad_guard_window(d);
}

int tsad_step(tsad *d, uint64_t t, const float *sample, tsad_result *r) {
    if (d == NULL || sample == NULL || r == NULL)
        return TSAD_ERR_ARG;
    const tsad_model *m = d->model;
    tsad_verdict v = tsad_guard_time(d, t);
    if (v.status == TSAD_OK)
        tsad_guard_values(d, sample, &v);
    if (v.status != TSAD_OK)
        return v.status;

    const int ended = v.reset && tsad_interrupt(d);
    float score = tsad_nan();
    float *parts = m->parts != 0 ? d->parts : NULL;
    if (v.take) {
        make_room(d, 1);
        append(d, sample, v.quality);
        if (m->state_size != 0)
            advance(d, &score, parts);
        else if (is_warm(d))
            m->forward(d->slots + (d->used - m->window) * m->slot_size, 1, &score, parts, d->arena);
        score = is_warm(d) ? told(d, score) : tsad_nan();
    }
    begin_result(d, t, score, v.quality, r);
    if (ended) { /* one change a step: its sample begins no run, though with a window of one it has a score */
        r->alarm = 0;
        r->event = TSAD_EVENT_ENDED;
    } else {
        tsad_event_move(d, parts, r);
    }
    tsad_spot_learn(d, score);
    return tsad_is_nan(score) ? TSAD_WARMING_UP : TSAD_OK;
}

int tsad_decide(tsad *d, uint64_t t, float score, const float *parts, tsad_result *r) {
    if (d == NULL || r == NULL)
        return TSAD_ERR_ARG;
    if (d->timed && t <= d->last_t)
        return TSAD_ERR_TIME;
    begin_result(d, t, score, 0, r);
    tsad_event_move(d, parts, r);
    tsad_spot_learn(d, score);
    return tsad_is_nan(score) ? TSAD_WARMING_UP : TSAD_OK;
}

/*
 * Takes samples up to one that is refused, left out or first of a new window, the end, or the end of the memory, and
 * writes their scores; returns how many. With 0 it is the first one that is refused or left out.
 */
static size_t score_block(tsad *d, const float *samples, size_t n, float *scores) {
    const tsad_model *m = d->model;
    const size_t most = n < d->batch ? n : d->batch;
    size_t taken = 0;
    make_room(d, most);
    while (taken < most) {
        tsad_verdict v = tsad_guard_no_time();
        tsad_guard_values(d, samples + taken * m->channels, &v);
        if (v.status != TSAD_OK || (v.reset && taken > 0))
            break;
        if (v.reset)
            empty_window(d);
        if (!v.take)
            break;
        append(d, samples + taken * m->channels, v.quality);
        scores[taken++] = tsad_nan();
    }
    if (taken == 0)
        return 0;
    if (!takes_windows(m, d->batch)) {
        advance(d, scores, NULL);
        scores[0] = is_warm(d) ? told(d, scores[0]) : tsad_nan();
        return taken;
    }
    if (in_bulk(m) && d->behind < m->window)
        d->behind += taken;
    if (is_warm(d)) {
        /* Windows that end in this block; before the window first fills there are fewer than samples. */
        const uint64_t ready = d->in_row - m->window + 1;
        const size_t windows = ready < taken ? (size_t)ready : taken;
        float *first = scores + (taken - windows);
        m->forward(d->slots + (d->used - (m->window + windows - 1)) * m->slot_size, windows, first, NULL, d->arena);
        for (size_t i = 0; i < windows; i++)
            first[i] = told(d, first[i]);
    }
    return taken;
}

int tsad_score(tsad *d, const float *samples, size_t n, float *scores) {
    if (d == NULL || ((samples == NULL || scores == NULL) && n > 0))
        return TSAD_ERR_ARG;
    while (n > 0) {
        size_t done = score_block(d, samples, n, scores);
        if (done == 0)
            scores[done++] = tsad_nan();
        samples += done * d->model->channels;
        scores += done;
        n -= done;
    }
    return TSAD_OK;
}
