/*
 * Any calls of a detector with any config: one that takes single steps, a stream model's, one with room for many
 * windows and one that is both say the same, bit for bit; a refused step leaves all bytes as they were; what is told
 * fits together; and with guard, smoothing, events' settings and SPOT off it is what a plain detector, written here
 * anew, says.
 */
#include "fuzz.h"
#include "m_tiny.h"

#include <float.h>
#include <math.h>

enum { W = M_TINY_WINDOW, C = M_TINY_CHANNELS, MOST = 24 };
enum { STEPS, STREAM, BULK, BOTH, DETECTORS };

/* ---------------------------------------------------------------- the tiny model as a stream */

static void state_reset(void *s) { memset(s, 0, sizeof(float[W][C])); }

static void advance(void *s, const void *slot, float *score, float *parts, void *arena) {
    float(*slots)[C] = (float(*)[C])s;
    memmove(slots[0], slots[1], (W - 1) * sizeof slots[0]);
    memcpy(slots[W - 1], slot, sizeof slots[0]);
    m_tiny.forward(slots, 1, score, parts, arena);
}

/* ---------------------------------------------------------------- detectors, side by side */

typedef struct one {
    tsad d, d_before;
    tsad_model m;
    unsigned char *memory, *memory_before;
    size_t size;
} one;

static one all[DETECTORS];

/* 0: the config is refused, by all of them alike. */
static int begin(const tsad_config *c, size_t batch) {
    int statuses[DETECTORS];
    for (int i = 0; i < DETECTORS; i++) {
        one *a = &all[i];
        a->m = m_tiny;
        if (i == STREAM || i == BOTH) {
            a->m.in_bulk = i == BOTH;
            a->m.state_size = sizeof(float[W][C]);
            a->m.state_reset = state_reset;
            a->m.advance = advance;
        }
        a->size = tsad_memory_size(&a->m, c, i >= BULK ? batch : 1);
        HOLDS(a->size != 0);
        a->memory = (unsigned char *)malloc(a->size); /* exactly that, so that the address sanitizer sees one too far */
        a->memory_before = (unsigned char *)malloc(a->size);
        HOLDS(a->memory != NULL && a->memory_before != NULL);
        memset(a->memory, 0x5a + i, a->size); /* what was there must not matter */
        memset(&a->d, 0x3c + i, sizeof a->d);
        memcpy(&a->d_before, &a->d, sizeof a->d);
        HOLDS(i >= BULK || tsad_init(&a->d, &a->m, c, a->memory, a->size - 1) < 0);
        statuses[i] = tsad_init(&a->d, &a->m, c, a->memory, a->size);
        HOLDS(statuses[i] == TSAD_OK || memcmp(&a->d, &a->d_before, sizeof a->d) == 0);
        HOLDS(statuses[i] == statuses[0]);
    }
    return statuses[0] == TSAD_OK;
}

static void end(void) {
    for (int i = 0; i < DETECTORS; i++) {
        free(all[i].memory);
        free(all[i].memory_before);
    }
}

static void keep(one *a) {
    memcpy(&a->d_before, &a->d, sizeof a->d);
    memcpy(a->memory_before, a->memory, a->size);
}

static int unchanged(const one *a) {
    return memcmp(&a->d_before, &a->d, sizeof a->d) == 0 && memcmp(a->memory_before, a->memory, a->size) == 0;
}

static int same_float(float a, float b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static int same_event(const tsad_event *a, const tsad_event *b) {
    return a->id == b->id && a->start == b->start && a->end == b->end && a->peak_t == b->peak_t &&
           same_float(a->peak, b->peak) && a->top == b->top;
}

static int same_result(const tsad_result *a, const tsad_result *b) {
    return a->t == b->t && same_float(a->score, b->score) && a->alarm == b->alarm && a->event == b->event &&
           a->quality == b->quality && a->window_quality == b->window_quality;
}

/* What is told by a step that was taken, whatever the config. */
static void fits_together(const tsad *d, const tsad *before, uint64_t t, int status, const tsad_result *r) {
    const tsad_event *e = &d->record;
    HOLDS(status == (isnan(r->score) ? TSAD_WARMING_UP : TSAD_OK) && r->t == t && d->last_t == t);
    HOLDS(r->alarm == (d->open && !isnan(r->score)));
    HOLDS((r->quality & ~r->window_quality) == 0 || isnan(r->score)); /* a sample that was left out is in no window */
    HOLDS(e->id == before->record.id + (r->event == TSAD_EVENT_STARTED));
    HOLDS(r->event == (d->open == before->open ? TSAD_EVENT_NONE : d->open ? TSAD_EVENT_STARTED : TSAD_EVENT_ENDED));
    HOLDS(e->id == 0 || (e->start <= e->peak_t && e->peak_t <= e->end && e->top >= -1 && e->top < C));
    HOLDS(!r->alarm || (e->end == t && r->score <= e->peak));
}

/* ---------------------------------------------------------------- a plain detector, written anew */

static struct {
    float slots[W][C];
    uint64_t taken, last_t, id;
    int timed, open;
} plain;

/* The score after one more sample, or NaN. */
static float plain_score(const float *sample) {
    static const float offset[C] = {1.0f, -1.0f}, scale[C] = {0.5f, 2.0f}, gain[C] = {1.0f, 2.0f};
    float score = 0.0f;
    memmove(plain.slots[0], plain.slots[1], sizeof plain.slots[0] * (W - 1));
    for (int c = 0; c < C; c++)
        plain.slots[W - 1][c] = (sample[c] - offset[c]) * scale[c];
    if (++plain.taken < W)
        return NAN;
    for (int c = 0; c < C; c++) {
        float sum = 0.0f;
        for (int k = 0; k < W; k++)
            sum += plain.slots[k][c];
        score = c == 0 ? sum * gain[c] : score + sum * gain[c];
    }
    return isnan(score) ? INFINITY : score;
}

static int can_be(const float *sample) { return isfinite(sample[0]) && isfinite(sample[1]); }

static void as_plain(uint64_t t, const float *sample, int status, const tsad_result *r) {
    const int late = plain.timed && t <= plain.last_t;
    if (late || !can_be(sample)) {
        HOLDS(status == (late ? TSAD_ERR_TIME : TSAD_ERR_INPUT));
        return;
    }
    const float score = plain_score(sample);
    const int alarm = score > m_tiny_config.threshold;
    const int change = isnan(score) || alarm == plain.open ? TSAD_EVENT_NONE
                       : alarm                             ? TSAD_EVENT_STARTED
                                                           : TSAD_EVENT_ENDED;
    plain.timed = 1;
    plain.last_t = t;
    plain.open = isnan(score) ? plain.open : alarm;
    HOLDS(same_float(r->score, score) && r->alarm == alarm && r->event == change && r->quality == 0);
}

/* ---------------------------------------------------------------- calls */

static void step(uint64_t t, const float *sample, int is_plain) {
    tsad_result first, r, untouched;
    int status = 0;
    memset(&untouched, 0x5a, sizeof untouched);
    for (int i = 0; i < DETECTORS; i++) {
        keep(&all[i]);
        memcpy(&r, &untouched, sizeof r);
        const int found = tsad_step(&all[i].d, t, sample, &r);
        if (found < 0)
            HOLDS(unchanged(&all[i]) && memcmp(&r, &untouched, sizeof r) == 0);
        else
            fits_together(&all[i].d, &all[i].d_before, t, found, &r);
        if (i == 0) {
            status = found;
            first = r;
        }
        HOLDS(found == status && (found < 0 || same_result(&r, &first)));
        HOLDS(same_event(&all[i].d.record, &all[0].d.record) && all[i].d.threshold == all[0].d.threshold);
    }
    if (is_plain)
        as_plain(t, sample, status, &first);
}

/* In one call, but for the first detector: there a sample at a time. */
static void score(const float *samples, size_t n, int is_plain) {
    float scores[DETECTORS][MOST];
    for (int i = 0; i < DETECTORS; i++)
        if (i != STEPS)
            HOLDS(tsad_score(&all[i].d, samples, n, scores[i]) == TSAD_OK);
        else
            for (size_t k = 0; k < n; k++)
                HOLDS(tsad_score(&all[i].d, samples + k * C, 1, &scores[i][k]) == TSAD_OK);
    for (size_t k = 0; k < n; k++) {
        for (int i = STREAM; i < DETECTORS; i++)
            HOLDS(same_float(scores[STEPS][k], scores[i][k]));
        if (is_plain)
            HOLDS(same_float(scores[0][k], can_be(samples + k * C) ? plain_score(samples + k * C) : NAN));
    }
}

static void decide(uint64_t t, float score, const float *parts) {
    tsad_result first = {0, 0.0f, 0, 0, 0, 0}, r;
    int status = 0;
    for (int i = 0; i < DETECTORS; i++) {
        keep(&all[i]);
        const int found = tsad_decide(&all[i].d, t, score, parts, &r);
        if (found < 0)
            HOLDS(found == TSAD_ERR_TIME && unchanged(&all[i]));
        else
            fits_together(&all[i].d, &all[i].d_before, t, found, &r);
        status = i == 0 ? found : status;
        first = i == 0 && found >= 0 ? r : first;
        HOLDS(found == status && (found < 0 || same_result(&r, &first)));
    }
}

static void reset(void) {
    for (int i = 0; i < DETECTORS; i++) {
        tsad_reset(&all[i].d);
        HOLDS(all[i].d.taken == 0 && !all[i].d.open && all[i].d.record.id == 0);
    }
    memset(&plain, 0, sizeof plain);
}

static void finish(void) {
    for (int i = 0; i < DETECTORS; i++) {
        const int open = all[i].d.open;
        HOLDS(tsad_finish(&all[i].d) == open && !all[i].d.open && !tsad_finish(&all[i].d));
    }
    plain.open = 0;
}

/* All that the ring has: the last events that ended, in their order. */
static void next_events(void) {
    tsad_event e[DETECTORS];
    for (uint64_t last = 0;; last = e[0].id) {
        const int found = tsad_next_event(&all[0].d, &e[0]);
        for (int i = 1; i < DETECTORS; i++)
            HOLDS(tsad_next_event(&all[i].d, &e[i]) == found && (!found || same_event(&e[i], &e[0])));
        if (!found)
            break;
        HOLDS(last == 0 || e[0].id == last + 1);
        HOLDS(e[0].id <= all[0].d.record.id && e[0].start <= e[0].peak_t && e[0].peak_t <= e[0].end);
    }
}

/* ---------------------------------------------------------------- from bytes */

static float value(input *in) {
    static const float odd[] = {0.0f,   1.0f,    -1.0f,    0.5f, 3.0f,     -3.0f,     100.0f, -100.0f,
                                1e-40f, FLT_MAX, -FLT_MAX, NAN,  INFINITY, -INFINITY, 1e19f,  -0.0f};
    const uint8_t byte = take_byte(in);
    const uint32_t bits = byte < 240 ? 0 : take_u32(in);
    float raw;
    memcpy(&raw, &bits, sizeof raw);
    return byte >= 240 ? raw : byte < 64 ? odd[byte & 15] : ((float)byte - 150.0f) / 16.0f;
}

static tsad_config config(input *in, int is_plain) {
    static float low[C], high[C], jump[C];
    static uint32_t stuck[C];
    tsad_config c = m_tiny_config;
    if (is_plain)
        return c;
    const uint32_t policies = take_u32(in);
    for (int k = 0; k < C; k++) {
        low[k] = value(in);
        high[k] = value(in);
        jump[k] = value(in);
        stuck[k] = take_byte(in) & 7u;
    }
    c.guard.not_finite = policies & 3u;
    c.guard.out_of_range = policies >> 2 & 3u;
    c.guard.stuck = policies >> 4 & 3u;
    c.guard.jump = policies >> 6 & 3u;
    c.guard.gap = policies >> 8 & 3u;
    c.guard.step_back = policies >> 10 & 3u;
    c.guard.hold_most = policies >> 12 & 3u;
    c.guard.gap_most = policies >> 14 & 7u;
    c.guard.low = low;
    c.guard.high = high;
    c.guard.jump_most = jump;
    c.guard.stuck_from = stuck;
    c.threshold = value(in);
    c.events.smoothing = (float)take_byte(in) / 255.0f;
    c.events.hysteresis = (float)take_byte(in) / 255.0f;
    c.events.min_on = take_byte(in) & 7u;
    c.events.refractory = take_byte(in) & 7u;
    c.events.records = take_byte(in) & 7u;
    c.spot.every = policies >> 17 & 3u;
    c.spot.risk = (float)take_byte(in) / 255.0f;
    c.spot.tail.start = value(in);
    c.spot.tail.shape = value(in);
    c.spot.tail.excess = value(in);
    c.spot.tail.gap = take_byte(in);
    return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    input in = {data, size};
    const uint8_t how = take_byte(&in);
    const int is_plain = how & 1;
    const tsad_config c = config(&in, is_plain);
    uint64_t t = 0;
    memset(&plain, 0, sizeof plain);
    if (begin(&c, 2u + (how >> 1) % 8u)) {
        while (in.left > 0) {
            float samples[MOST][C];
            const uint8_t op = take_byte(&in);
            const size_t n = (op & 3) == 2 ? op >> 2 & 15u : 1;
            t += (op & 3) == 1 ? (uint64_t)(op >> 2) - 8u : 1; /* back and forth, or on */
            for (size_t k = 0; k < n; k++)
                for (int i = 0; i < C; i++)
                    samples[k][i] = value(&in);
            if ((op & 3) < 2)
                step(t, samples[0], is_plain);
            else if ((op & 3) == 2)
                score(samples[0], n, is_plain);
            else if ((op >> 2 & 3) == 0)
                reset();
            else if ((op >> 2 & 3) == 1)
                finish();
            else if ((op >> 2 & 3) == 2)
                next_events();
            else if (!is_plain)
                decide(t, samples[0][0], samples[0]);
        }
    }
    end();
    return 0;
}
