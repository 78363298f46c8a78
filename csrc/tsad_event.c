/*
 * tsad_event.c - from score to event: hysteresis, minimum on-time, refractory time, and the ring of events that ended
 * (what they mean is in tsad.h). Knows no sample; a score comes from tsad.c, smoothed.
 */
#include "tsad_parts.h"

/* ---------------------------------------------------------------- config and memory */

static int is_share(float x) { return x >= 0.0f && x <= 1.0f; }

int tsad_event_is_right(const tsad_event_config *c) { return is_share(c->smoothing) && is_share(c->hysteresis); }

size_t tsad_event_size(const tsad_config *c, int *overflow) {
    tsad_add(tsad_times(c->events.records, sizeof(tsad_event), overflow), TSAD_ALIGN, overflow);
    return TSAD_EVENTS_SIZE(c->events.records);
}

unsigned char *tsad_event_place(tsad *d, unsigned char *memory) {
    d->records = (tsad_event *)(void *)memory;
    return memory + TSAD_EVENTS_SIZE(d->config.events.records);
}

void tsad_event_forget(tsad *d) {
    static const tsad_event no_event = {0, 0, 0, 0, 0.0f, -1};
    d->threshold = d->config.threshold;
    d->run = no_event;
    d->run_length = 0;
    d->quiet = 0;
    d->open = 0;
    d->record = no_event;
    d->records_first = 0;
    d->records_used = 0;
    d->records_lost = 0;
}

/* ---------------------------------------------------------------- the ring */

static void keep(tsad *d) {
    const uint32_t room = d->config.events.records;
    if (room == 0)
        return;
    if (d->records_used == room) {
        tsad_event lost;
        tsad_next_event(d, &lost);
        d->records_lost++;
    }
    const uint32_t to_end = room - d->records_first;
    d->records[d->records_used < to_end ? d->records_first + d->records_used : d->records_used - to_end] = d->record;
    d->records_used++;
}

int tsad_next_event(tsad *d, tsad_event *e) {
    if (d == NULL || e == NULL || d->records_used == 0)
        return 0;
    *e = d->records[d->records_first];
    d->records_first = d->records_first + 1 < d->config.events.records ? d->records_first + 1 : 0;
    d->records_used--;
    return 1;
}

/* ---------------------------------------------------------------- runs and events */

/* Channel with the largest share, the first of equals; a share that is NaN is larger than any number. */
static int32_t top_channel(const float *parts, uint32_t channels) {
    uint32_t top = 0;
    if (parts == NULL)
        return -1;
    for (uint32_t c = 1; c < channels; c++)
        if (!tsad_is_nan(parts[top]) && (tsad_is_nan(parts[c]) || parts[c] > parts[top]))
            top = c;
    return (int32_t)top;
}

int tsad_finish(tsad *d) {
    if (d == NULL)
        return 0;
    const int ended = d->open;
    d->run_length = 0;
    d->open = 0;
    if (ended) {
        d->quiet = d->config.events.refractory;
        keep(d);
    }
    return ended;
}

/* The score at which a run that has begun goes on no more. */
static float lower(float threshold, float hysteresis) {
    return hysteresis > 0.0f ? threshold - hysteresis * tsad_magnitude(threshold) : threshold;
}

void tsad_event_move(tsad *d, const float *parts, tsad_result *r) {
    const tsad_event_config *c = &d->config.events;
    const int runs = d->open || d->run_length > 0;
    r->alarm = 0;
    r->event = TSAD_EVENT_NONE;
    if (tsad_is_nan(r->score))
        return;
    if (!runs && d->quiet > 0) {
        d->quiet--;
        return;
    }
    if (!(r->score > (runs ? lower(d->threshold, c->hysteresis) : d->threshold))) {
        if (tsad_finish(d))
            r->event = TSAD_EVENT_ENDED;
        return;
    }
    tsad_event *e = d->open ? &d->record : &d->run;
    if (!runs)
        e->start = r->t;
    e->end = r->t;
    if (!runs || r->score > e->peak) {
        e->peak = r->score;
        e->peak_t = r->t;
        e->top = top_channel(parts, d->model->channels);
    }
    if (!d->open && ++d->run_length >= c->min_on) {
        d->run.id = d->record.id + 1;
        d->record = d->run;
        d->run_length = 0;
        d->open = 1;
        r->event = TSAD_EVENT_STARTED;
    }
    r->alarm = d->open;
}
