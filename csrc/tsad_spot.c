/*
 * tsad_spot.c - the threshold that goes on learning from the newest peaks. What a tail is stands in tsad_statistics.c;
 * what an alarm is good for, in tsad_event.c.
 *
 * Work for a score: a comparison; for a peak, 64 additions of floats and of integers, a logarithm, an exponential.
 */
#include "tsad_parts.h"
#include "tsad_statistics.h"

#define PER_PEAK (1.0f / (float)TSAD_SPOT_PEAKS) /* a power of two: exact */
#define MOST_GAP 65535u

static int is_on(const tsad_config *c) { return c->spot.every != 0u; }

int tsad_spot_is_right(const tsad_spot_config *c) { return c->every == 0u || tsad_tail_is_right(&c->tail, c->risk); }

size_t tsad_spot_size(const tsad_config *c) { return is_on(c) ? TSAD_SPOT_SIZE : 0; }

unsigned char *tsad_spot_place(tsad *d, unsigned char *memory) {
    d->peaks = is_on(&d->config) ? (tsad_peaks *)(void *)memory : NULL;
    return memory + tsad_spot_size(&d->config);
}

void tsad_spot_forget(tsad *d) {
    if (d->peaks == NULL)
        return;
    d->peaks->next = 0;
    d->peaks->since = 0;
    d->peaks->skip = 0;
    for (uint32_t i = 0; i < TSAD_SPOT_PEAKS; i++) {
        d->peaks->excess[i] = d->config.spot.tail.excess;
        d->peaks->gap[i] = (uint16_t)d->config.spot.tail.gap;
    }
}

/* The threshold by the peaks that are remembered now; where they give none, the one there is. */
static float refitted(const tsad_peaks *p, const tsad_spot_config *c, float threshold) {
    float excess = 0.0f;
    uint32_t gap = 0;
    for (uint32_t i = 0; i < TSAD_SPOT_PEAKS; i++) {
        excess += p->excess[i];
        gap += p->gap[i];
    }
    const float found = tsad_tail_level(&c->tail, c->risk, excess * PER_PEAK, (float)gap * PER_PEAK);
    return tsad_is_finite(found) ? found : threshold;
}

void tsad_spot_learn(tsad *d, float score) {
    tsad_peaks *p = d->peaks;
    const tsad_spot_config *c = &d->config.spot;
    if (p == NULL || !tsad_is_finite(score))
        return;
    if (p->skip > 0u) {
        p->skip--;
        return;
    }
    p->skip = c->every - 1u;
    if (score > d->threshold)
        return; /* taken for an anomaly: no part of the tail, and no normal score that counts */
    p->since += p->since < MOST_GAP;
    if (!(score > c->tail.start))
        return;
    p->excess[p->next] = score - c->tail.start;
    p->gap[p->next] = (uint16_t)p->since;
    p->next = (p->next + 1u) % TSAD_SPOT_PEAKS;
    p->since = 0;
    d->threshold = refitted(p, c, d->threshold);
}
