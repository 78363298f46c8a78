/* SPOT in a detector: what moves the threshold and what never does. That it is right is tested in test_spot.py. */
#include "check.h"
#include "m_tiny.h"

#include <math.h>
#include <stdlib.h>

static tsad_config spot_config(void) {
    tsad_config c = m_tiny_config;
    c.threshold = 5.0f;
    c.spot.every = 1;
    c.spot.risk = 1e-3f;
    c.spot.tail.start = 2.0f;
    c.spot.tail.shape = 0.1f;
    c.spot.tail.excess = 0.8f;
    c.spot.tail.gap = 50;
    return c;
}

/* Memory of exactly the wanted size, so that the address sanitizer sees one byte too far. */
static void *start(tsad *d, const tsad_config *c) {
    const size_t size = tsad_memory_size(&m_tiny, c, 1);
    void *memory = malloc(size);
    CHECK(memory != NULL && tsad_init(d, &m_tiny, c, memory, size) == TSAD_OK);
    CHECK(TSAD_SPOT_SIZE == 400); /* on every target: codegen counts on it */
    CHECK(size == M_TINY_MEMORY + (c->spot.every != 0 ? TSAD_SPOT_SIZE : 0));
    return memory;
}

static int accepted(const tsad_config *c) {
    tsad d;
    const size_t size = tsad_memory_size(&m_tiny, c, 1);
    void *memory = malloc(size);
    const int status = tsad_init(&d, &m_tiny, c, memory, size);
    free(memory);
    return status == TSAD_OK;
}

static void configs(void) {
    static const float bad_risk[] = {0.0f, 1e-10f, 1.0f, -1.0f, NAN}, bad_shape[] = {-0.26f, 1.0f, NAN, INFINITY};
    static const float bad_excess[] = {0.0f, -1.0f, NAN, INFINITY}, bad_start[] = {NAN, INFINITY, -INFINITY};
    static const uint32_t bad_gap[] = {0, 65536, 1000}; /* the last: more alarms wanted than there are peaks */
    const tsad_config right = spot_config();
    tsad_config c = right;
    CHECK(accepted(&c));
    for (size_t i = 0; i < 5; i++, c = right) {
        c.spot.risk = bad_risk[i];
        CHECK(!accepted(&c));
    }
    for (size_t i = 0; i < 4; i++, c = right) {
        c.spot.tail.shape = bad_shape[i];
        CHECK(!accepted(&c));
        c.spot.tail.shape = right.spot.tail.shape;
        c.spot.tail.excess = bad_excess[i];
        CHECK(!accepted(&c));
    }
    for (size_t i = 0; i < 3; i++, c = right) {
        c.spot.tail.start = bad_start[i];
        CHECK(!accepted(&c));
        c.spot.tail.start = right.spot.tail.start;
        c.spot.tail.gap = bad_gap[i];
        CHECK(!accepted(&c));
        c.spot.every = 0; /* off: nobody looks at the rest */
        CHECK(accepted(&c));
    }
}

static float decide(tsad *d, float score) {
    tsad_result r;
    const float before = d->threshold;
    CHECK(tsad_decide(d, d->timed ? d->last_t + 1 : 0, score, NULL, &r) == (isnan(score) ? TSAD_WARMING_UP : TSAD_OK));
    CHECK(isnan(score) || r.alarm == (score > before)); /* what is learnt from a score is not held against it */
    return d->threshold;
}

static void what_moves_it(void) {
    tsad_config c = spot_config();
    tsad d;
    void *memory = start(&d, &c);
    CHECK(d.threshold == 5.0f);
    static const float never[] = {NAN, INFINITY, -INFINITY, 5.5f, 1e30f, 2.0f, 0.0f, -3.0f};
    for (int round = 0; round < 100; round++)
        for (size_t i = 0; i < sizeof never / sizeof *never; i++)
            CHECK(decide(&d, never[i]) == 5.0f);
    tsad_reset(&d);
    for (int i = 0; i < 49; i++)
        decide(&d, 1.0f);
    const float moved = decide(&d, 2.8f); /* a peak as expected: what the tail says */
    CHECK(moved != 5.0f);
    for (int i = 0; i < 49; i++)
        CHECK(decide(&d, 1.0f) == moved);
    CHECK(fabsf(decide(&d, 2.8f) - moved) < 1e-6f);
    const float higher = decide(&d, 4.9f); /* a high one, and the next one at once */
    CHECK(higher > moved && decide(&d, 2.0001f) < higher + 1.0f);
    tsad_reset(&d);
    CHECK(d.threshold == 5.0f && d.peaks->next == 0 && d.peaks->excess[0] == 0.8f);
    free(memory);

    c.spot.every = 3;
    memory = start(&d, &c);
    const uint32_t turns[] = {1, 1, 1, 2, 2, 2, 3};
    for (size_t i = 0; i < 7; i++) {
        decide(&d, 2.5f);
        CHECK(d.peaks->next == turns[i]);
    }
    free(memory);
}

/* A fault that grows slowly, in windows that overlap by 49 of 50: it must not raise the threshold before itself. */
static void a_slow_fault_is_seen(void) {
    uint32_t seed = 5, alarms[2] = {0, 0};
    for (uint32_t k = 0; k < 2; k++) {
        tsad_config c = spot_config();
        tsad d;
        c.spot.every = k == 0 ? 1 : 50;
        void *memory = start(&d, &c);
        for (int i = 0; i < 1000; i++)
            decide(&d, 1.0f + noise(&seed));
        for (int i = 0; i < 1000; i++) {
            const float score = 2.0f + 0.01f * (float)i; /* 12 in the end */
            alarms[k] += score > d.threshold;
            decide(&d, score);
        }
        free(memory);
    }
    CHECK(alarms[0] < 100);                     /* learnt from each score, it follows the fault */
    CHECK(alarms[1] > 500 && alarms[1] <= 700); /* a constant threshold of 5 has 699 */
}

/* What never ends: the largest gap, scores at the edge of float. */
static void edges(void) {
    const tsad_config c = spot_config();
    tsad d;
    void *memory = start(&d, &c);
    for (uint32_t i = 0; i < 70000; i++)
        decide(&d, 0.0f);
    CHECK(d.peaks->since == 65535 && decide(&d, 3.0f) == 5.0f); /* so few peaks are no tail for this risk */
    CHECK(d.peaks->gap[0] == 65535);
    for (uint32_t i = 0; i < 64; i++)
        decide(&d, 3.0f);
    CHECK(d.threshold > 3.0f && isfinite(d.threshold));
    free(memory);

    tsad_config wide = c;
    wide.threshold = 3e38f;
    wide.spot.tail.excess = 1e37f;
    memory = start(&d, &wide);
    for (uint32_t i = 0; i < 200; i++)
        CHECK(isfinite(decide(&d, 2.9e38f)));
    CHECK(d.threshold == 3e38f); /* their sum is infinite: the threshold stays */
    free(memory);
}

int main(void) {
    configs();
    what_moves_it();
    a_slow_fault_is_seen();
    edges();
    return check_result();
}
