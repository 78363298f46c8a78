/* The detector's handling of samples: memory, warm-up, refusals, bulk against steps, damaged and foreign models. */
#include "check.h"
#include "m_tiny.h"

#include <math.h>
#include <stdlib.h>

enum { W = M_TINY_WINDOW, C = M_TINY_CHANNELS };

static const float NOT_A_NUMBER = NAN;

/* ---------------------------------------------------------------- the same model as a stream */

typedef struct state {
    float slots[W][C];
    uint64_t seen;
} state;

static void state_reset(void *s) { memset(s, 0, sizeof(state)); }

static void advance(void *s, const void *slot, float *score, float *parts, void *arena) {
    state *now = (state *)s;
    now->seen++;
    memmove(now->slots[0], now->slots[1], (W - 1) * sizeof now->slots[0]);
    memcpy(now->slots[W - 1], slot, sizeof now->slots[0]);
    m_tiny.forward(now->slots, 1, score, parts, arena);
}

static tsad_model stream_model(uint32_t in_bulk) {
    tsad_model m = m_tiny;
    m.in_bulk = in_bulk;
    m.state_size = sizeof(state);
    m.state_reset = state_reset;
    m.advance = advance;
    return m;
}

/* ---------------------------------------------------------------- */

/* Memory of exactly the wanted size, so that the address sanitizer sees one byte too far. */
static void *start(tsad *d, const tsad_model *m, size_t batch) {
    const size_t size = tsad_memory_size(m, &m_tiny_config, batch);
    void *memory = malloc(size);
    CHECK(memory != NULL && tsad_init(d, m, &m_tiny_config, memory, size) == TSAD_OK);
    CHECK(d->batch == (m->state_size != 0 && !m->in_bulk ? 1 : batch));
    return memory;
}

static void sizes(void) {
    tsad_model m = m_tiny;
    CHECK(tsad_memory_size(&m_tiny, &m_tiny_config, 1) == M_TINY_MEMORY);
    for (size_t batch = 1; batch < 300; batch += 7)
        CHECK(tsad_memory_size(&m, &m_tiny_config, batch) == TSAD_MEMORY_SIZE(W, 8, 0, 2, 0, 8, batch));
    m.slot_size = 6; /* three channels of 16 bits: sizes that need rounding up */
    m.parts = 3;
    m.arena_fixed = 40;
    for (size_t batch = 1; batch < 30; batch++) {
        const size_t size = tsad_memory_size(&m, &m_tiny_config, batch);
        CHECK(size == TSAD_MEMORY_SIZE(W, 6, 0, 3, 40, 8, batch) && size % TSAD_ALIGN == 0);
        CHECK(size >= (W + batch - 1) * 6 + 40 + batch * 8 + 12);
    }
    m.state_size = 24;
    CHECK(tsad_memory_size(&m, &m_tiny_config, 5) == 8 + 24 + 80 + 16);
    m.in_bulk = 1; /* slots of whole windows beside the state */
    CHECK(tsad_memory_size(&m, &m_tiny_config, 5) == 48 + 24 + 80 + 16);
    CHECK(tsad_memory_size(&m, &m_tiny_config, 1) == TSAD_MEMORY_SIZE(W, 6, 24, 3, 40, 8, 1));
    CHECK(tsad_memory_size(NULL, &m_tiny_config, 1) == 0 && tsad_memory_size(&m_tiny, &m_tiny_config, 0) == 0);
    CHECK(tsad_memory_size(&m_tiny, &m_tiny_config, SIZE_MAX) == 0 &&
          tsad_memory_size(&m_tiny, &m_tiny_config, SIZE_MAX / 8) == 0);
    CHECK(tsad_memory_size(&m_tiny, &m_tiny_config, SIZE_MAX / 4 + 2) == 0); /* both products come out small */
    m = m_tiny;
    m.window = 0;
    CHECK(tsad_memory_size(&m, &m_tiny_config, 1) == 0);
    m = m_tiny; /* a size that overflows only when it is rounded up */
    m.window = m.slot_size = m.parts = 1;
    m.arena_window = 0;
    CHECK(tsad_memory_size(&m, &m_tiny_config, SIZE_MAX - 6) == 0 &&
          tsad_memory_size(&m, &m_tiny_config, SIZE_MAX / 2) != 0);
}

static void every_size_gives_the_largest_batch(tsad_model m) {
    double memory[200];
    tsad d;
    for (m.slot_size = 1; m.slot_size < 30; m.slot_size++)
        for (size_t size = tsad_memory_size(&m, &m_tiny_config, 1); size <= sizeof memory; size++) {
            CHECK(tsad_init(&d, &m, &m_tiny_config, memory, size) == TSAD_OK);
            CHECK(tsad_memory_size(&m, &m_tiny_config, d.batch) <= size &&
                  tsad_memory_size(&m, &m_tiny_config, d.batch + 1) > size);
            /* Slots, arena and parts, each aligned, fill the memory to its end and do not overlap. */
            const size_t arena = (size_t)(d.arena - (unsigned char *)memory);
            const size_t parts = (size_t)((unsigned char *)d.parts - (unsigned char *)memory);
            const size_t slots = m.state_size != 0 && d.batch == 1 ? 1 : W + d.batch - 1;
            CHECK(arena % TSAD_ALIGN == 0 && arena >= slots * m.slot_size + m.state_size);
            CHECK(parts % TSAD_ALIGN == 0 && parts >= arena + d.batch * m.arena_window);
            CHECK(parts + TSAD_ROUND_UP(m.parts * sizeof(float)) == tsad_memory_size(&m, &m_tiny_config, d.batch));
        }
}

static void refused_at_the_door(void) {
    double memory[M_TINY_MEMORY / 8 + 1];
    tsad d, before;
    memset(&d, 0x5a, sizeof d);
    before = d;
    tsad_config config = m_tiny_config;
    tsad_model m = m_tiny;
    CHECK(tsad_init(NULL, &m, &config, memory, sizeof memory) == TSAD_ERR_ARG);
    CHECK(tsad_init(&d, NULL, &config, memory, sizeof memory) == TSAD_ERR_ARG);
    CHECK(tsad_init(&d, &m, NULL, memory, sizeof memory) == TSAD_ERR_ARG);
    CHECK(tsad_init(&d, &m, &config, NULL, sizeof memory) == TSAD_ERR_ARG);
    CHECK(tsad_init(&d, &m, &config, (char *)memory + 4, M_TINY_MEMORY) == TSAD_ERR_ARG);
    CHECK(tsad_init(&d, &m, &config, memory, M_TINY_MEMORY - 1) == TSAD_ERR_MEMORY);
    config.threshold = NOT_A_NUMBER;
    CHECK(tsad_init(&d, &m, &config, memory, sizeof memory) == TSAD_ERR_ARG);
    config.threshold = INFINITY;
    m.abi = TSAD_MODEL_ABI + 1;
    CHECK(tsad_init(&d, &m, &config, memory, sizeof memory) == TSAD_ERR_ABI);
    m = m_tiny;
    m.crc ^= 1;
    CHECK(tsad_init(&d, &m, &config, memory, sizeof memory) == TSAD_ERR_CRC);
    CHECK(memcmp(&d, &before, sizeof d) == 0);
    CHECK(tsad_init(&d, &m_tiny, &config, memory, sizeof memory) == TSAD_OK);
    CHECK(tsad_model_check(&m_tiny) == TSAD_OK && tsad_model_check(NULL) == TSAD_ERR_ARG);
}

/* Configs of an earlier and of a later release, in memory of exactly their size. */
static void configs_of_other_releases(void) {
    double memory[M_TINY_MEMORY / 8 + 1];
    const size_t oldest = 8, later = sizeof(tsad_config) + 12; /* oldest: size and threshold, version 0.1.0 */
    unsigned char *bytes = (unsigned char *)malloc(later);
    tsad_config *theirs = (tsad_config *)(void *)bytes, ours, before;
    tsad d, d_before;
    CHECK(bytes != NULL && m_tiny_config.size == sizeof(tsad_config));
    memset(bytes, 0, later);
    memset(bytes + sizeof(tsad_config), 0xff, later - sizeof(tsad_config));
    theirs->threshold = 3.0f;
    memset(&ours, 0x5a, sizeof ours);
    memset(&d, 0x5a, sizeof d);
    before = ours;
    d_before = d;
    for (uint32_t size = 0; size < oldest; size++) {
        theirs->size = size;
        CHECK(tsad_config_copy(&ours, theirs) == TSAD_ERR_ARG);
        CHECK(tsad_init(&d, &m_tiny, theirs, memory, sizeof memory) == TSAD_ERR_ARG);
    }
    CHECK(tsad_config_copy(NULL, theirs) == TSAD_ERR_ARG && tsad_config_copy(&ours, NULL) == TSAD_ERR_ARG);
    CHECK(memcmp(&ours, &before, sizeof ours) == 0 && memcmp(&d, &d_before, sizeof d) == 0);
    theirs->size = (uint32_t)later;
    CHECK(tsad_config_copy(&ours, theirs) == TSAD_OK && ours.size == sizeof ours && ours.threshold == 3.0f);
    CHECK(tsad_init(&d, &m_tiny, theirs, memory, sizeof memory) == TSAD_OK);
    CHECK(d.config.size == sizeof(tsad_config) && d.config.threshold == 3.0f);
    CHECK(theirs->size == later && bytes[later - 1] == 0xff);
    free(bytes);

    const struct {
        uint32_t size;
        float threshold;
    } first = {(uint32_t)oldest, 4.0f};
    theirs = (tsad_config *)malloc(oldest);
    CHECK(theirs != NULL && sizeof first == oldest);
    memcpy(theirs, &first, oldest);
    memset(&ours, 0x5a, sizeof ours);
    CHECK(tsad_config_copy(&ours, theirs) == TSAD_OK && ours.size == sizeof ours && ours.threshold == 4.0f);
    for (size_t i = oldest; i < sizeof ours; i++)
        CHECK(((const unsigned char *)&ours)[i] == 0);
    CHECK(tsad_init(&d, &m_tiny, theirs, memory, sizeof memory) == TSAD_OK && d.config.threshold == 4.0f);
    free(theirs);
}

static void crc(void) {
    static const uint16_t halves[] = {0x3231, 0x3433, 0x3635, 0x3837}; /* "12345678" as little-endian values */
    const tsad_span spans[] = {{"text", "123456789", 9, 1}, {"pairs", halves, 4, 2}, {"nine", "9", 1, 1}};
    tsad_model m = m_tiny;
    m.weights = spans;
    m.weight_arrays = 1;
    CHECK(tsad_model_crc(&m) == 0xcbf43926u); /* the check value of CRC-32 */
    m.weights = spans + 1;
    m.weight_arrays = 2;
    CHECK(tsad_model_crc(&m) == 0xcbf43926u);
    m.weight_arrays = 0;
    CHECK(tsad_model_crc(&m) == 0);
    CHECK(tsad_model_crc(&m_tiny) == m_tiny.crc);
}

static void warm_up_and_scores(const tsad_model *m) {
    static const float samples[5][C] = {{1, -1}, {3, -1}, {1, 0}, {5, 1}, {1, -1}};
    static const float expected[5] = {0, 0, 1 + 2 * 2, 3 + 2 * 6, 2 + 2 * 6};
    tsad d;
    tsad_result r;
    void *memory = start(&d, m, 1);
    for (int round = 0; round < 2; round++) {
        for (uint64_t t = 0; t < 5; t++) {
            const int status = tsad_step(&d, 10 + t, samples[t], &r);
            CHECK(status == (t < W - 1 ? TSAD_WARMING_UP : TSAD_OK));
            CHECK(r.t == 10 + t && r.alarm == (t >= W - 1 && expected[t] > 10.0f));
            CHECK(t < W - 1 ? isnan(r.score) : r.score == expected[t]);
        }
        CHECK(d.taken == 5 && d.timed && d.last_t == 14);
        CHECK(m->state_size == 0 || ((const state *)(const void *)d.state)->seen == 5);
        tsad_reset(&d);
        CHECK(m->state_size == 0 || ((const state *)(const void *)d.state)->seen == 0);
        CHECK(d.taken == 0 && d.record.id == 0 && d.record.top == -1 && !d.open);
    }
    free(memory);
}

static void failed_steps_change_nothing(const tsad_model *m) {
    const size_t size = tsad_memory_size(m, &m_tiny_config, 2);
    static const float good[C] = {1, 2};
    static const float bad[][C] = {{NAN, 0}, {0, NAN}, {INFINITY, 0}, {0, -INFINITY}};
    tsad d, before;
    tsad_result r, untouched;
    void *memory = start(&d, m, 2), *copy = malloc(size);
    CHECK(copy != NULL);
    for (uint64_t t = 5; t < 20; t++) {
        CHECK(tsad_step(&d, t, good, &r) >= 0);
        memset(&r, 0x5a, sizeof r);
        untouched = r;
        before = d;
        memcpy(copy, memory, size);
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
            CHECK(tsad_step(&d, t + 1, bad[k], &r) == TSAD_ERR_INPUT);
        CHECK(tsad_step(&d, t, good, &r) == TSAD_ERR_TIME);
        CHECK(tsad_step(&d, 0, good, &r) == TSAD_ERR_TIME);
        CHECK(tsad_step(NULL, t + 1, good, &r) == TSAD_ERR_ARG);
        CHECK(tsad_step(&d, t + 1, NULL, &r) == TSAD_ERR_ARG);
        CHECK(tsad_step(&d, t + 1, good, NULL) == TSAD_ERR_ARG);
        CHECK(memcmp(&d, &before, sizeof d) == 0 && memcmp(copy, memory, size) == 0);
        CHECK(memcmp(&r, &untouched, sizeof r) == 0);
    }
    free(memory);
    free(copy);
}

/* A third of the samples refused, in chunks of every size: the bits of single steps. */
static void bulk_is_steps(const tsad_model *m) {
    enum { N = 160 };
    static float samples[N][C];
    float steps[N], bulk[N];
    uint32_t seed = 7;
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < C; c++)
            samples[i][c] = noise(&seed) > 0.6f && i > 20 ? NOT_A_NUMBER : 100.0f * noise(&seed);
    tsad d;
    tsad_result r;
    void *memory = start(&d, m, 1);
    for (size_t i = 0; i < N; i++)
        steps[i] = tsad_step(&d, i, samples[i], &r) == TSAD_OK ? r.score : NOT_A_NUMBER;
    free(memory);
    for (size_t batch = 1; batch < 12; batch++) {
        memory = start(&d, m, batch);
        for (size_t chunk = 1; chunk <= N; chunk = chunk < 20 ? chunk + 1 : N + (chunk == N)) {
            tsad_reset(&d);
            memset(bulk, 0, sizeof bulk);
            for (size_t i = 0; i < N; i += chunk)
                CHECK(tsad_score(&d, samples[i], N - i < chunk ? N - i : chunk, bulk + i) == TSAD_OK);
            for (size_t i = 0; i < N; i++)
                CHECK(isnan(steps[i]) ? isnan(bulk[i]) : same_bits(steps + i, bulk + i, 1));
        }
        /* Bulk and steps in turns go on from each other; only steps have a time. */
        tsad_reset(&d);
        for (size_t i = 0; i < N; i += 5) {
            const size_t at_once = i / 5 % 5;
            CHECK(tsad_score(&d, samples[i], at_once, bulk + i) == TSAD_OK);
            for (size_t k = i + at_once; k < i + 5; k++)
                bulk[k] = tsad_step(&d, k, samples[k], &r) == TSAD_OK ? r.score : NOT_A_NUMBER;
        }
        for (size_t i = 0; i < N; i++)
            CHECK(isnan(steps[i]) ? isnan(bulk[i]) : same_bits(steps + i, bulk + i, 1));
        CHECK(tsad_score(&d, NULL, 0, NULL) == TSAD_OK && tsad_score(&d, NULL, 1, bulk) == TSAD_ERR_ARG);
        CHECK(tsad_score(NULL, samples[0], 1, bulk) == TSAD_ERR_ARG);
        free(memory);
    }
}

/* Finite samples so large that the model computes inf - inf. */
static void absurd_is_abnormal(const tsad_model *m) {
    static const float samples[W][C] = {{3e38f, -3e38f}, {3e38f, -3e38f}, {3e38f, -3e38f}};
    float scores[W];
    tsad d;
    tsad_result r = {0, 0.0f, 0, 0, 0, 0};
    void *memory = start(&d, m, 4);
    for (uint64_t t = 0; t < W; t++)
        CHECK(tsad_step(&d, t, samples[t], &r) == (t < W - 1 ? TSAD_WARMING_UP : TSAD_OK));
    CHECK(r.score == INFINITY && r.alarm == 1 && r.event == TSAD_EVENT_STARTED);
    tsad_reset(&d);
    CHECK(tsad_score(&d, samples[0], W, scores) == TSAD_OK && scores[W - 1] == INFINITY);
    free(memory);
}

int main(void) {
    const tsad_model stream = stream_model(0), series = stream_model(1);
    const tsad_model *const models[] = {&m_tiny, &stream, &series};
    for (int status = 2; status > -8; status--)
        CHECK(tsad_status_text(status) != NULL && tsad_status_text(status)[0] != '\0');
    sizes();
    every_size_gives_the_largest_batch(m_tiny);
    every_size_gives_the_largest_batch(series);
    refused_at_the_door();
    configs_of_other_releases();
    crc();
    for (size_t k = 0; k < sizeof models / sizeof *models; k++) {
        warm_up_and_scores(models[k]);
        failed_steps_change_nothing(models[k]);
        bulk_is_steps(models[k]);
        absurd_is_abnormal(models[k]);
    }
    return check_result();
}
