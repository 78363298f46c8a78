/*
 * Where parts of the detector meet, and corners of them that are seldom reached: bulk scoring under the guard, the end
 * of a learning, tails that cannot be, and null pointers everywhere.
 */
#include "check.h"
#include "m_tiny.h"

#include <math.h>
#include <stdlib.h>

enum { W = M_TINY_WINDOW, C = M_TINY_CHANNELS, N = 600, IMAGE = 48 + 8 * C };

static void *start(tsad *d, const tsad_config *c, size_t batch) {
    const size_t size = tsad_memory_size(&m_tiny, c, batch);
    void *memory = malloc(size);
    CHECK(memory != NULL && tsad_init(d, &m_tiny, c, memory, size) == TSAD_OK);
    return memory;
}

/* Samples that are held, left out, or the first of a new window, in blocks of every size: the bits of single steps. */
static void bulk_goes_through_the_guard(void) {
    enum { SERIES = 200 };
    static const float low[C] = {-50, -50}, high[C] = {50, 50}, jump[C] = {40, 40};
    static float samples[SERIES][C];
    float steps[SERIES], bulk[SERIES];
    tsad_config c = m_tiny_config;
    uint32_t seed = 5;
    c.guard.not_finite = TSAD_HOLD;
    c.guard.hold_most = 2;
    c.guard.out_of_range = c.guard.jump = TSAD_RESET;
    c.guard.low = low;
    c.guard.high = high;
    c.guard.jump_most = jump;
    for (size_t i = 0; i < SERIES; i++)
        for (size_t k = 0; k < C; k++)
            samples[i][k] = i % 17 == 4 ? NAN : noise(&seed) * (i % 23 == 9 ? 200.0f : i % 13 == 8 ? 45.0f : 15.0f);
    tsad d;
    tsad_result r;
    int resets = 0, left_out = 0;
    void *memory = start(&d, &c, 1);
    for (size_t i = 0; i < SERIES; i++) {
        const uint64_t before = d.taken, row = d.in_row;
        steps[i] = tsad_step(&d, i, samples[i], &r) == TSAD_OK ? r.score : NAN;
        left_out += d.taken == before;
        resets += d.taken != before && d.in_row <= row;
    }
    CHECK(resets > 5 && left_out > 5);
    free(memory);
    for (size_t batch = 1; batch < 9; batch++) {
        memory = start(&d, &c, batch);
        CHECK(tsad_score(&d, samples[0], SERIES, bulk) == TSAD_OK);
        for (size_t i = 0; i < SERIES; i++)
            CHECK(isnan(steps[i]) ? isnan(bulk[i]) : same_bits(&steps[i], &bulk[i], 1));
        free(memory);
    }
}

static tsad_config learning_config(void) {
    tsad_config c = m_tiny_config;
    c.baseline.samples = N;
    c.baseline.risk = 1e-3f;
    c.baseline.unit = 1.0f;
    c.baseline.shift = c.baseline.stretch = 100.0f;
    c.baseline.least = -1e6f;
    c.baseline.most = 1e6f;
    return c;
}

/* Learns from noise about the model's own offsets until there are enough samples; then finish may be called. */
static int learn(tsad *d) {
    uint32_t seed = 3;
    int status = tsad_baseline_begin(d);
    CHECK(status == TSAD_OK);
    for (int i = 0; i < 2 * N + W && (i == 0 || status == TSAD_WARMING_UP); i++) {
        const float sample[C] = {1.0f + noise(&seed), -1.0f + noise(&seed)};
        status = tsad_baseline_sample(d, sample);
    }
    return status;
}

static void enough_is_enough(void) {
    static const float sample[C] = {1000.0f, 1000.0f};
    const tsad_config c = learning_config();
    tsad d;
    void *memory = start(&d, &c, 1);
    CHECK(learn(&d) == TSAD_OK);
    const uint64_t taken = d.taken;
    CHECK(tsad_baseline_sample(&d, sample) == TSAD_OK && d.taken == taken);
    CHECK(tsad_baseline_finish(&d) == TSAD_OK && fabsf(d.config.threshold) < 100.0f);
    free(memory);
}

/* Too few scores for a tail; a risk that is within the scores themselves; and one beyond all that floats can say. */
static void tails_that_cannot_be(void) {
    for (int k = 0; k < 3; k++) {
        tsad_config c = learning_config();
        c.baseline.samples = k == 0 ? 100 : N;
        c.baseline.risk = k == 1 ? 0.2f : k == 2 ? 1e-12f : c.baseline.risk;
        tsad d;
        void *memory = start(&d, &c, 1);
        CHECK(learn(&d) == TSAD_OK && tsad_baseline_finish(&d) == TSAD_ERR_BASELINE);
        CHECK(d.config.threshold == m_tiny_config.threshold);
        free(memory);
    }
}

static void null_pointers(void) {
    static const float sample[C] = {0};
    static const unsigned char none[IMAGE] = {0};
    const unsigned char *const slots[2] = {none, none}, *const lacking[2] = {none, NULL};
    const tsad_config c = learning_config(), off = m_tiny_config;
    unsigned char image[IMAGE];
    float score;
    int slot;
    tsad d, without;
    void *memory = start(&d, &c, 1), *other = start(&without, &off, 1);
    CHECK(tsad_baseline_begin(NULL) == TSAD_ERR_ARG && tsad_baseline_finish(NULL) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_finish(&d) == TSAD_ERR_ARG && tsad_baseline_finish(&without) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_sample(NULL, sample) == TSAD_ERR_ARG && tsad_baseline_sample(&d, NULL) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_sample(&d, sample) == TSAD_ERR_ARG && tsad_baseline_sample(&without, sample) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_load(&d, lacking) == TSAD_ERR_ARG && tsad_baseline_load(&without, slots) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_rollback(NULL, slots, image, &slot) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_rollback(&d, slots, NULL, &slot) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_rollback(&d, slots, image, NULL) == TSAD_ERR_ARG);
    CHECK(tsad_score(NULL, sample, 1, &score) == TSAD_ERR_ARG && tsad_score(&d, NULL, 1, &score) == TSAD_ERR_ARG);
    CHECK(tsad_score(&d, sample, 1, NULL) == TSAD_ERR_ARG && tsad_score(&d, NULL, 0, NULL) == TSAD_OK);
    CHECK(tsad_model_check(NULL) == TSAD_ERR_ARG);
    free(memory);
    free(other);
}

/* Models without channels, window or slot are none. */
static void models_of_nothing(void) {
    tsad_model m[3] = {m_tiny, m_tiny, m_tiny};
    m[0].channels = m[1].window = m[2].slot_size = 0;
    for (int k = 0; k < 3; k++)
        CHECK(tsad_memory_size(&m[k], &m_tiny_config, 1) == 0);
}

int main(void) {
    bulk_goes_through_the_guard();
    enough_is_enough();
    tails_that_cannot_be();
    null_pointers();
    models_of_nothing();
    return check_result();
}
