/*
 * tsad_guard.c - the guard: is a sample to be believed, and what becomes of it if not (the table is in tsad.h).
 *
 * Looking changes nothing, so that a sample can be refused as if it had never been there; tsad.c empties the window and
 * takes the sample.
 */
#include "tsad_parts.h"

enum { VALUES_THAT_CANNOT_BE = TSAD_NOT_FINITE | TSAD_OUT_OF_RANGE };

/* ---------------------------------------------------------------- config and memory */

enum { KINDS = 6 };

/* The kinds that have one of some policies, both as sums: 1 << policy. */
static uint32_t kinds(const tsad_guard_config *c, uint32_t which) {
    const uint8_t policies[KINDS] = {c->not_finite, c->out_of_range, c->stuck, c->jump, c->gap, c->step_back};
    uint32_t found = 0;
    for (uint32_t k = 0; k < KINDS; k++)
        if (policies[k] <= TSAD_RESET && (which >> policies[k] & 1u) != 0)
            found |= 1u << k;
    return found;
}

enum { OFF = 1 << TSAD_OFF, MARK = 1 << TSAD_MARK, HOLD = 1 << TSAD_HOLD, RESET = 1 << TSAD_RESET };

int tsad_guard_is_right(const tsad_guard_config *c) {
    return kinds(c, OFF | MARK | HOLD | RESET) == (1u << KINDS) - 1 &&
           (kinds(c, MARK) & (TSAD_NOT_FINITE | TSAD_STEP_BACK)) == 0 &&
           (kinds(c, HOLD) & (TSAD_STUCK | TSAD_GAP | TSAD_STEP_BACK)) == 0 &&
           (c->out_of_range == TSAD_OFF || (c->low != NULL && c->high != NULL)) &&
           (c->jump == TSAD_OFF || c->jump_most != NULL) && (c->stuck == TSAD_OFF || c->stuck_from != NULL);
}

/* Some kind asks what was before. */
static int wants_past(const tsad_guard_config *c) {
    return kinds(c, HOLD) != 0 || c->stuck != TSAD_OFF || c->jump != TSAD_OFF;
}

size_t tsad_guard_size(const tsad_model *m, const tsad_config *c, int *overflow) {
    if (!wants_past(&c->guard))
        return 0;
    tsad_add(tsad_times(m->channels, 12, overflow), TSAD_ALIGN, overflow);
    return TSAD_GUARD_SIZE(m->channels);
}

unsigned char *tsad_guard_place(tsad *d, unsigned char *memory) {
    const tsad_guard_config *c = &d->config.guard;
    const int past = wants_past(c);
    const uint32_t channels = d->model->channels;
    d->looks = kinds(c, MARK | HOLD | RESET);
    d->holds = kinds(c, HOLD);
    d->resets = kinds(c, RESET);
    d->last = past ? (float *)(void *)memory : NULL;
    d->same = past ? (uint32_t *)(void *)memory + channels : NULL;
    d->held = past ? d->same + channels : NULL;
    return memory + (past ? TSAD_GUARD_SIZE(channels) : 0);
}

void tsad_guard_forget(tsad *d) {
    for (uint32_t k = 0; k < TSAD_QUALITIES; k++)
        d->ages[k] = UINT32_MAX;
}

/* ---------------------------------------------------------------- looking */

tsad_verdict tsad_guard_time(const tsad *d, uint64_t t) {
    tsad_verdict v = tsad_guard_no_time();
    if (!d->timed)
        return v;
    if (t == d->last_t || (t < d->last_t && (d->looks & TSAD_STEP_BACK) == 0)) {
        v.status = TSAD_ERR_TIME;
        return v;
    }
    if (t < d->last_t)
        v.quality = TSAD_STEP_BACK;
    else if ((d->looks & TSAD_GAP) != 0 && t - d->last_t > d->config.guard.gap_most)
        v.quality = TSAD_GAP;
    v.reset = (v.quality & d->resets) != 0;
    return v;
}

/* What is wrong with one value; `past`: there is one before. */
static uint32_t doubts(const tsad *d, uint32_t c, float x, int past) {
    const tsad_guard_config *g = &d->config.guard;
    uint32_t found = 0;
    if (!tsad_is_finite(x))
        return TSAD_NOT_FINITE;
    if ((d->looks & TSAD_OUT_OF_RANGE) != 0 && (x < g->low[c] || x > g->high[c]))
        found |= TSAD_OUT_OF_RANGE;
    if (past && (d->looks & TSAD_STUCK) != 0 && x == d->last[c] && g->stuck_from[c] != 0 &&
        d->same[c] >= g->stuck_from[c] - 1)
        found |= TSAD_STUCK;
    if (past && (d->looks & TSAD_JUMP) != 0 && tsad_magnitude(x - d->last[c]) > g->jump_most[c])
        found |= TSAD_JUMP;
    return found;
}

void tsad_guard_values(const tsad *d, const float *sample, tsad_verdict *v) {
    const int past = d->last != NULL && d->in_row > 0 && !v->reset;
    int cannot_be = 0;
    for (uint32_t c = 0; c < d->model->channels; c++) {
        const uint32_t found = doubts(d, c, sample[c], past);
        uint32_t resets = found & d->resets;
        if ((found & d->holds) != 0 && past && d->held[c] < d->config.guard.hold_most)
            v->quality |= TSAD_HELD;
        else
            resets |= found & d->holds;
        v->quality |= found;
        v->reset |= resets != 0;
        cannot_be |= (resets & VALUES_THAT_CANNOT_BE) != 0;
    }
    if ((v->quality & TSAD_NOT_FINITE) != 0 && (d->looks & TSAD_NOT_FINITE) == 0)
        v->status = TSAD_ERR_INPUT;
    /* With the window goes what one channel would have repeated while another one empties it. */
    if (v->reset && (v->quality & TSAD_HELD) != 0) {
        v->quality &= ~(uint32_t)TSAD_HELD;
        cannot_be = 1;
    }
    v->take = !cannot_be;
}

/* ---------------------------------------------------------------- taking */

const float *tsad_guard_take(tsad *d, const float *sample, uint32_t quality) {
    const int past = d->in_row > 0;
    for (uint32_t k = 0; k < TSAD_QUALITIES; k++)
        if ((quality >> k & 1u) != 0)
            d->ages[k] = 0;
        else if (d->ages[k] < UINT32_MAX)
            d->ages[k]++;
    if (d->last == NULL)
        return sample;
    for (uint32_t c = 0; c < d->model->channels; c++) {
        if ((doubts(d, c, sample[c], past) & d->holds) != 0) {
            d->held[c]++;
            continue;
        }
        d->same[c] = !past || sample[c] != d->last[c] ? 1 : d->same[c] + (d->same[c] < UINT32_MAX);
        d->last[c] = sample[c];
        d->held[c] = 0;
    }
    return d->last;
}

uint32_t tsad_guard_window(const tsad *d) {
    uint32_t found = 0;
    for (uint32_t k = 0; k < TSAD_QUALITIES; k++)
        if (d->ages[k] < d->model->window)
            found |= 1u << k;
    return found;
}
