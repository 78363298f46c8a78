/*
 * tsad.c - the detector: all about time (window, warm-up, missing samples, threshold, events), nothing about learning.
 *
 * The window stays contiguous: slots are appended, and when their room is full the last W-1 move to its front. So
 * forward sees n overlapping windows as W+n-1 slots in a row, and with a batch each slot moves about W / batch times.
 *
 * One file, though a long one: a firmware adds this, its model and the kernels, and nothing else.
 */
#include "tsad.h"

#include <string.h>

const char *tsad_status_text(int status) {
    switch (status) {
    case TSAD_OK:
        return "ok";
    case TSAD_WARMING_UP:
        return "warming up: the window is not full yet";
    case TSAD_ERR_ARG:
        return "an argument is null, misaligned, too short or not a number";
    case TSAD_ERR_ABI:
        return "the model was generated for another version of tsad_model";
    case TSAD_ERR_MEMORY:
        return "the memory is smaller than the model needs";
    case TSAD_ERR_CRC:
        return "the model's weights are damaged: their CRC is not the one it was generated with";
    case TSAD_ERR_INPUT:
        return "a value of the sample is NaN or infinite";
    case TSAD_ERR_TIME:
        return "time does not increase";
    default:
        return "unknown status";
    }
}

/* ---------------------------------------------------------------- floats by their bits: right under any flags */

typedef union float_bits {
    float value;
    uint32_t bits;
} float_bits;

#define EXPONENT 0x7f800000u

static float from_bits(uint32_t bits) {
    float_bits u;
    u.bits = bits;
    return u.value;
}

static int is_finite(float x) {
    float_bits u;
    u.value = x;
    return (u.bits & EXPONENT) != EXPONENT;
}

static int is_nan(float x) {
    float_bits u;
    u.value = x;
    return (u.bits & 0x7fffffffu) > EXPONENT;
}

static float not_a_number(void) { return from_bits(0x7fc00000u); }

/* What forward makes of finite but absurd samples can be NaN (inf - inf). That must not pass as "no alarm". */
static float settled(float score) { return is_nan(score) ? from_bits(EXPONENT) : score; }

/* ---------------------------------------------------------------- model */

static uint32_t crc_byte(uint32_t crc, unsigned byte) {
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
                crc = crc_byte(crc, value[little ? k : span->width - 1 - k]);
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

/* ---------------------------------------------------------------- memory: slots, state, arena, parts, in this order */

/* Slots there is room for. A stream model keeps its own past: it needs only the newest. */
static size_t slot_room(const tsad_model *m, size_t batch) { return m->state_size != 0 ? 1 : m->window + batch - 1; }

static size_t add(size_t a, size_t b, int *overflow) {
    *overflow |= b > SIZE_MAX - a;
    return a + b;
}

static size_t times(size_t a, size_t b, int *overflow) {
    *overflow |= b != 0 && a > SIZE_MAX / b;
    return a * b;
}

size_t tsad_memory_size(const tsad_model *m, size_t batch) {
    int overflow = 0;
    if (m == NULL || m->window == 0 || m->channels == 0 || m->slot_size == 0 || batch == 0)
        return 0;
    const size_t room = m->state_size != 0 ? 1 : add(m->window, batch - 1, &overflow);
    size_t size = add(times(room, m->slot_size, &overflow), m->state_size, &overflow);
    size = add(size, m->arena_fixed, &overflow);
    size = add(size, times(batch, m->arena_window, &overflow), &overflow);
    size = add(size, times(m->parts, sizeof(float), &overflow), &overflow);
    add(size, 4 * TSAD_ALIGN, &overflow); /* more than all rounding up adds */
    if (overflow)
        return 0;
    return TSAD_MEMORY_SIZE(m->window, m->slot_size, m->state_size, m->parts, m->arena_fixed, m->arena_window, batch);
}

/* The most windows at once that `size` bytes, known to be enough for one, have room for. */
static size_t batch_for(const tsad_model *m, size_t size) {
    const size_t per_window = (size_t)m->slot_size + m->arena_window;
    if (m->state_size != 0)
        return 1;
    /* One window's slots may have been rounded up already; that much may serve the others. Then down to what fits. */
    size_t batch = 1 + (size - tsad_memory_size(m, 1) + (TSAD_ALIGN - 1)) / per_window;
    while (batch > 1 && (tsad_memory_size(m, batch) == 0 || tsad_memory_size(m, batch) > size))
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
    if ((uintptr_t)memory % TSAD_ALIGN != 0 || tsad_config_copy(&config, c) != TSAD_OK || is_nan(config.threshold))
        return TSAD_ERR_ARG;
    const size_t least = tsad_memory_size(m, 1);
    if (least == 0 || size < least)
        return TSAD_ERR_MEMORY;

    d->model = m;
    d->config = config;
    d->table = m->table;
    d->batch = batch_for(m, size);
    d->slots = (unsigned char *)memory;
    d->state = d->slots + TSAD_ROUND_UP(slot_room(m, d->batch) * m->slot_size);
    d->arena = d->state + TSAD_ROUND_UP((size_t)m->state_size);
    d->parts = (float *)(void *)(d->arena + TSAD_ROUND_UP((size_t)m->arena_fixed + d->batch * m->arena_window));
    tsad_reset(d);
    return TSAD_OK;
}

void tsad_reset(tsad *d) {
    static const tsad_event no_event = {0, 0, 0, 0.0f, 0, -1};
    d->used = 0;
    d->taken = 0;
    d->last_t = 0;
    d->timed = 0;
    d->open = 0;
    d->record = no_event;
    if (d->model->state_size != 0)
        d->model->state_reset(d->state);
}

/* ---------------------------------------------------------------- samples */

static int all_finite(const float *sample, uint32_t channels) {
    for (uint32_t c = 0; c < channels; c++)
        if (!is_finite(sample[c]))
            return 0;
    return 1;
}

/* Makes room behind the used slots for up to `wanted` more, or for as many as the memory was made for. */
static void make_room(tsad *d, size_t wanted) {
    const tsad_model *m = d->model;
    const size_t kept = (size_t)m->window - 1;
    if (m->state_size != 0) {
        d->used = 0;
    } else if (d->used > kept && slot_room(m, d->batch) - d->used < wanted) {
        memmove(d->slots, d->slots + (d->used - kept) * m->slot_size, kept * m->slot_size);
        d->used = kept;
    }
}

/* Takes a sample that is known to be good; room for it has been made. */
static void append(tsad *d, const float *sample) {
    d->model->enter(sample, d->table, d->slots + d->used * d->model->slot_size);
    d->used++;
    d->taken++;
}

/* Not after the last step, or not after what tsad_decide was told on its own. */
static int is_late(const tsad *d, uint64_t t) {
    return (d->timed && t <= d->last_t) || (d->open && t <= d->record.end);
}

static int is_warm(const tsad *d) { return d->taken >= d->model->window; }

int tsad_step(tsad *d, uint64_t t, const float *sample, tsad_result *r) {
    if (d == NULL || sample == NULL || r == NULL)
        return TSAD_ERR_ARG;
    const tsad_model *m = d->model;
    if (is_late(d, t))
        return TSAD_ERR_TIME;
    if (!all_finite(sample, m->channels))
        return TSAD_ERR_INPUT;

    float score = not_a_number();
    float *parts = m->parts != 0 ? d->parts : NULL;
    make_room(d, 1);
    append(d, sample);
    d->last_t = t;
    d->timed = 1;
    if (m->state_size != 0)
        m->advance(d->state, d->slots, &score, parts, d->arena);
    else if (is_warm(d))
        m->forward(d->slots + (d->used - m->window) * m->slot_size, 1, &score, parts, d->arena);
    return tsad_decide(d, t, is_warm(d) ? settled(score) : not_a_number(), parts, r);
}

/* Takes samples up to a bad one, the end, or the end of the memory, and writes their scores; returns how many. */
static size_t score_block(tsad *d, const float *samples, size_t n, float *scores) {
    const tsad_model *m = d->model;
    const size_t limit = m->state_size != 0 ? 1 : d->batch;
    const size_t most = n < limit ? n : limit;
    size_t taken = 0;
    make_room(d, most);
    while (taken < most && all_finite(samples + taken * m->channels, m->channels)) {
        append(d, samples + taken * m->channels);
        scores[taken++] = not_a_number();
    }
    if (taken == 0)
        return 0;
    if (m->state_size != 0) {
        m->advance(d->state, d->slots, scores, NULL, d->arena);
        scores[0] = is_warm(d) ? settled(scores[0]) : not_a_number();
    } else if (is_warm(d)) {
        /* Windows that end in this block; before the window first fills there are fewer than samples. */
        const uint64_t ready = d->taken - m->window + 1;
        const size_t windows = ready < taken ? (size_t)ready : taken;
        float *first = scores + (taken - windows);
        m->forward(d->slots + (d->used - (m->window + windows - 1)) * m->slot_size, windows, first, NULL, d->arena);
        for (size_t i = 0; i < windows; i++)
            first[i] = settled(first[i]);
    }
    return taken;
}

int tsad_score(tsad *d, const float *samples, size_t n, float *scores) {
    if (d == NULL || ((samples == NULL || scores == NULL) && n > 0))
        return TSAD_ERR_ARG;
    while (n > 0) {
        size_t done = score_block(d, samples, n, scores);
        if (done == 0)
            scores[done++] = not_a_number(); /* the first one is refused */
        samples += done * d->model->channels;
        scores += done;
        n -= done;
    }
    return TSAD_OK;
}

/* ---------------------------------------------------------------- events */

/* Channel with the largest share, the first of equals; a share that is NaN is larger than any number. */
static int32_t top_channel(const float *parts, uint32_t channels) {
    uint32_t top = 0;
    if (parts == NULL)
        return -1;
    for (uint32_t c = 1; c < channels; c++)
        if (!is_nan(parts[top]) && (is_nan(parts[c]) || parts[c] > parts[top]))
            top = c;
    return (int32_t)top;
}

int tsad_decide(tsad *d, uint64_t t, float score, const float *parts, tsad_result *r) {
    if (d == NULL || r == NULL)
        return TSAD_ERR_ARG;
    if (d->open && t <= d->record.end)
        return TSAD_ERR_TIME;
    r->t = t;
    r->score = score;
    r->alarm = 0;
    r->event = TSAD_EVENT_NONE;
    if (is_nan(score))
        return TSAD_WARMING_UP;
    r->alarm = score > d->config.threshold;
    if (r->alarm) {
        if (!d->open) {
            d->open = 1;
            d->record.id++;
            d->record.start = t;
            r->event = TSAD_EVENT_STARTED;
        }
        d->record.end = t;
        if (r->event == TSAD_EVENT_STARTED || score > d->record.peak) {
            d->record.peak = score;
            d->record.peak_t = t;
            d->record.top = top_channel(parts, d->model->channels);
        }
    } else if (d->open) {
        d->open = 0;
        r->event = TSAD_EVENT_ENDED;
    }
    return TSAD_OK;
}

int tsad_finish(tsad *d) {
    if (d == NULL || !d->open)
        return 0;
    d->open = 0;
    return 1;
}
