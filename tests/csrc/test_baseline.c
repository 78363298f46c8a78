/* A baseline learnt anew: what it becomes, what is refused, and that its image survives a cut at every byte. */
#include "check.h"
#include "m_tiny.h"

#include <math.h>
#include <stdlib.h>

enum { C = M_TINY_CHANNELS, N = 600, IMAGE = 48 + 8 * C };

static tsad_config baseline_config(void) {
    tsad_config c = m_tiny_config;
    c.baseline.samples = N;
    c.baseline.risk = 1e-3f;
    c.baseline.unit = 1.0f;
    c.baseline.shift = 3.0f;
    c.baseline.stretch = 2.0f;
    c.baseline.least = 1.0f;
    c.baseline.most = 40.0f;
    return c;
}

/* Memory of exactly the wanted size, so that the address sanitizer sees one byte too far. */
static void *start(tsad *d, const tsad_config *c) {
    const size_t size = tsad_memory_size(&m_tiny, c, 1);
    void *memory = malloc(size);
    CHECK(memory != NULL && tsad_init(d, &m_tiny, c, memory, size) == TSAD_OK);
    return memory;
}

/* Channel c: uniform about mean[c], with a deviation. Learns from as many as are asked for; the last status. */
static int learn(tsad *d, const float *mean, const float *deviation, uint32_t seed) {
    int status = tsad_baseline_begin(d);
    CHECK(status == TSAD_OK && tsad_baseline_begin(d) == TSAD_ERR_ARG);
    for (int i = 0; i < 3 * N && (i == 0 || status == TSAD_WARMING_UP); i++) {
        float sample[C];
        for (int c = 0; c < C; c++)
            sample[c] = mean[c] + deviation[c] * 1.7320508f * noise(&seed);
        status = tsad_baseline_sample(d, sample);
    }
    return status == TSAD_OK ? tsad_baseline_finish(d) : status;
}

/* offset and scale of the tiny model: see m_tiny.h */
static void means_of(const tsad *d, float *mean, float *deviation) {
    for (int c = 0; c < C; c++) {
        mean[c] = d->model->table[c];
        deviation[c] = 1.0f / d->model->table[C + c];
    }
}

typedef struct baseline {
    float threshold;
    tsad_tail tail;
    float table[2 * C];
} baseline;

static baseline in_force(const tsad *d) {
    baseline b;
    memset(&b, 0, sizeof b);
    b.threshold = d->config.threshold;
    b.tail = d->config.spot.tail;
    memcpy(b.table, d->table, sizeof b.table);
    return b;
}

static int same(const baseline *a, const baseline *b) { return memcmp(a, b, sizeof *a) == 0; }

static void learns(void) {
    const tsad_config c = baseline_config();
    tsad d;
    void *memory = start(&d, &c);
    float mean[C], deviation[C];
    means_of(&d, mean, deviation);
    for (int i = 0; i < C; i++) {
        mean[i] += 2.0f * deviation[i];
        deviation[i] *= i == 0 ? 1.5f : 0.7f;
    }
    CHECK(tsad_baseline_finish(&d) == TSAD_ERR_ARG && tsad_baseline_sample(&d, mean) == TSAD_ERR_ARG);
    CHECK(learn(&d, mean, deviation, 3) == TSAD_OK);
    for (int i = 0; i < C; i++) {
        CHECK(fabsf(d.table[i] - mean[i]) < 0.2f * deviation[i]);
        CHECK(fabsf(d.table[C + i] * deviation[i] - 1.0f) < 0.1f);
    }
    CHECK(d.config.threshold != 10.0f && d.threshold == d.config.threshold && d.taken == 0);
    CHECK(fabsf(d.learning->shift - 2.0f) < 0.2f && fabsf(d.learning->stretch - 1.5f) < 0.1f);
    CHECK(d.learning->stretched == 0);

    /* What was as normal as before is now as normal as it was: a sample at the mean is a slot of zero. */
    tsad_result r;
    for (uint64_t t = 0; t < M_TINY_WINDOW; t++)
        tsad_step(&d, t, mean, &r);
    CHECK(fabsf(r.score) < 1.0f);

    /* A second learning is measured from the model again, and forgets the first. */
    means_of(&d, mean, deviation);
    CHECK(learn(&d, mean, deviation, 4) == TSAD_OK && d.learning->shift < 0.2f);
    free(memory);
}

static void constant_channels_keep_their_scale(void) {
    const tsad_config c = baseline_config();
    tsad d;
    void *memory = start(&d, &c);
    float mean[C], deviation[C];
    means_of(&d, mean, deviation);
    deviation[1] = 0.0f;
    mean[1] += 0.5f;
    CHECK(learn(&d, mean, deviation, 5) == TSAD_OK);
    CHECK(d.table[1] == mean[1] && d.table[C + 1] == d.model->table[C + 1]);
    free(memory);
}

static void refused(void) {
    const tsad_config c = baseline_config();
    tsad d;
    void *memory = start(&d, &c);
    float mean[C], deviation[C];
    const baseline before = in_force(&d);
    baseline now;
    for (int k = 0; k < 6; k++) {
        means_of(&d, mean, deviation);
        d.config = c;
        switch (k) {
        case 0:
            mean[1] += 4.0f * deviation[1]; /* too far */
            break;
        case 1:
            deviation[0] *= 3.0f; /* too wide */
            break;
        case 2:
            deviation[0] *= 0.3f; /* too narrow */
            break;
        case 3:
            d.config.baseline.most = 1.5f; /* threshold too high, */
            break;
        case 4:
            d.config.baseline.least = 30.0f; /* too low */
            break;
        default:
            deviation[0] = deviation[1] = 0.0f; /* all scores are equal: no tail */
        }
        CHECK(learn(&d, mean, deviation, 6) == TSAD_ERR_BASELINE && !d.learning->active);
        now = in_force(&d);
        CHECK(same(&now, &before) && d.table == d.own_table);
        CHECK(k == 3 || k == 4 ? d.learning->threshold > 1.5f : isnan(d.learning->threshold));
        if (k == 0)
            CHECK(d.learning->shifted == 1 && fabsf(d.learning->shift - 4.0f) < 0.2f);
    }
    d.config = c;

    /* Ended too soon, in either half; a sample that is not finite is not taken. */
    for (int taken = 0; taken < 2 * N + M_TINY_WINDOW - 1; taken += 151) {
        uint32_t seed = 9;
        float sample[C] = {NAN, 0.0f};
        means_of(&d, mean, deviation);
        CHECK(tsad_baseline_begin(&d) == TSAD_OK && tsad_baseline_sample(&d, sample) == TSAD_ERR_INPUT);
        for (int i = 0; i < taken; i++) {
            for (int j = 0; j < C; j++)
                sample[j] = mean[j] + deviation[j] * 1.7320508f * noise(&seed);
            CHECK(tsad_baseline_sample(&d, sample) == TSAD_WARMING_UP);
        }
        CHECK(tsad_baseline_finish(&d) == TSAD_ERR_BASELINE);
        now = in_force(&d);
        CHECK(same(&now, &before));
    }
    const float huge[C] = {3e38f, -3e38f};
    int status = TSAD_WARMING_UP;
    CHECK(tsad_baseline_begin(&d) == TSAD_OK);
    for (int i = 0; i < N && status == TSAD_WARMING_UP; i++)
        status = tsad_baseline_sample(&d, huge);
    CHECK(status == TSAD_ERR_BASELINE);
    free(memory);
}

static void configs(void) {
    tsad d;
    double memory[400];
    for (int k = 0; k < 7; k++) {
        tsad_config c = baseline_config();
        tsad_model m = m_tiny;
        c.baseline.risk = k == 0 ? 0.0f : c.baseline.risk;
        c.baseline.unit = k == 1 ? NAN : c.baseline.unit;
        c.baseline.shift = k == 2 ? -1.0f : c.baseline.shift;
        c.baseline.stretch = k == 3 ? 0.9f : c.baseline.stretch;
        c.baseline.least = k == 4 ? 50.0f : c.baseline.least;
        m.table_count = k == 5 ? 3 : m.table_count; /* not a scaler's */
        CHECK(tsad_init(&d, &m, &c, memory, sizeof memory) == (k < 6 ? TSAD_ERR_ARG : TSAD_OK));
    }
    tsad_config off = baseline_config();
    const unsigned char none[IMAGE] = {0};
    const unsigned char *const slots[2] = {none, none};
    off.baseline.samples = 0;
    CHECK(tsad_memory_size(&m_tiny, &off, 1) == M_TINY_MEMORY);
    CHECK(tsad_init(&d, &m_tiny, &off, memory, sizeof memory) == TSAD_OK && d.table == m_tiny.table);
    CHECK(tsad_baseline_begin(&d) == TSAD_ERR_ARG && tsad_baseline_load(&d, slots) == TSAD_ERR_ARG);
    CHECK(TSAD_BASELINE_IMAGE(C) == IMAGE);
    CHECK(TSAD_BASELINE_SIZE(C) == 320 + 16 * C); /* on every target: codegen counts on it */
}

/* ---------------------------------------------------------------- images */

/* A device that starts: what is in force once it has looked at its slots. */
static baseline restarted(const tsad_config *c, const unsigned char *a, const unsigned char *b, int *status) {
    const unsigned char *const slots[2] = {a, b};
    tsad d;
    void *memory = start(&d, c);
    *status = tsad_baseline_load(&d, slots);
    const baseline found = in_force(&d);
    free(memory);
    return found;
}

/*
 * Writes an image into its slot and cuts the power before each byte, and within each: the rest is as it was, erased,
 * zero or noise, and the byte itself half programmed. A restart must find one of the two, and the second at the end;
 * the first at least so many times.
 */
static void cut_everywhere(const tsad_config *c, unsigned char flash[2][IMAGE], int slot, const unsigned char *image,
                           const baseline *old, const baseline *young, int least_kept) {
    unsigned char torn[2][IMAGE];
    uint32_t seed = 77;
    int status, kept = 0;
    for (int at = 0; at <= IMAGE; at++)
        for (int rest = 0; rest < 5; rest++) {
            memcpy(torn, flash, sizeof torn);
            for (int i = at; i < IMAGE; i++) {
                const unsigned char random = (unsigned char)(255.0f * fabsf(noise(&seed)));
                const unsigned char fillings[] = {flash[slot][i], 0xff, 0x00, random, 0xff};
                torn[slot][i] = fillings[rest];
            }
            memcpy(torn[slot], image, (size_t)at);
            if (rest == 4 && at < IMAGE)
                torn[slot][at] = image[at] | 0x55; /* flash clears bits one by one */
            const baseline found = restarted(c, torn[0], torn[1], &status);
            const int is_young = same(&found, young);
            CHECK(is_young || same(&found, old));
            CHECK(at < IMAGE || (is_young && status == TSAD_OK));
            kept += !is_young;
        }
    CHECK(kept >= least_kept);
    memcpy(flash[slot], image, IMAGE);
}

static void images(int with_spot) {
    tsad_config c = baseline_config();
    c.spot.every = with_spot ? 3 : 0;
    c.spot.risk = 1e-3f;
    c.spot.tail.excess = 1.0f;
    c.spot.tail.gap = 50;
    tsad d;
    void *memory = start(&d, &c);
    unsigned char flash[2][IMAGE], image[IMAGE];
    const unsigned char *const slots[2] = {flash[0], flash[1]};
    float mean[C], deviation[C];
    int slot = -1, status;
    const baseline factory = in_force(&d);
    baseline versions[6];
    memset(flash, 0xff, sizeof flash);
    CHECK(tsad_baseline_load(&d, slots) == TSAD_ERR_BASELINE);
    CHECK(tsad_baseline_rollback(&d, slots, image, &slot) == TSAD_ERR_BASELINE);
    means_of(&d, mean, deviation);
    for (uint32_t k = 0; k < 6; k++) {
        mean[0] += 0.1f * deviation[0];
        CHECK(learn(&d, mean, deviation, 20 + k) == TSAD_OK);
        versions[k] = in_force(&d);
        CHECK(tsad_baseline_save(&d, slots, image, &slot) == TSAD_OK && slot == (int)(k % 2));
        cut_everywhere(&c, flash, slot, image, k == 0 ? &factory : &versions[k - 1], &versions[k],
                       5 * (IMAGE - 4)); /* bytes that are alike may be lost unnoticed */
    }
    /* Back by one, which again may be cut anywhere; back from there: the slots now hold the same. */
    CHECK(tsad_baseline_rollback(&d, slots, image, &slot) == TSAD_OK && slot == 1);
    baseline now = in_force(&d);
    CHECK(same(&now, &versions[4]));
    cut_everywhere(&c, flash, slot, image, &versions[5], &versions[4], 0); /* the other slot has it already */

    /* With one image alone the way back leads to what the model came with. */
    memset(flash, 0xff, sizeof flash);
    CHECK(tsad_baseline_save(&d, slots, image, &slot) == TSAD_OK && slot == 0);
    memcpy(flash[0], image, IMAGE);
    CHECK(tsad_baseline_rollback(&d, slots, image, &slot) == TSAD_OK && slot == 0);
    now = in_force(&d);
    CHECK(same(&now, &factory));
    cut_everywhere(&c, flash, slot, image, &versions[4], &factory, 0);
    now = restarted(&c, flash[0], flash[1], &status);
    CHECK(same(&now, &factory) && status == TSAD_OK);

    /* Every single bit counts; another model's image, or another format's, is none. */
    for (int bit = 0; bit < 8 * IMAGE; bit++) {
        flash[0][bit / 8] ^= (unsigned char)(1 << bit % 8);
        restarted(&c, flash[0], flash[1], &status);
        CHECK(status == TSAD_ERR_BASELINE);
        flash[0][bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    tsad_model other = m_tiny;
    other.id = "1111111111111111111111111111111111111111111111111111111111111111";
    d.model = &other;
    CHECK(tsad_baseline_load(&d, slots) == TSAD_ERR_BASELINE);
    d.model = &m_tiny;

    CHECK(tsad_baseline_load(NULL, slots) == TSAD_ERR_ARG && tsad_baseline_load(&d, NULL) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_save(&d, slots, NULL, &slot) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_save(&d, slots, image, NULL) == TSAD_ERR_ARG);
    CHECK(tsad_baseline_begin(&d) == TSAD_OK && tsad_baseline_save(&d, slots, image, &slot) == TSAD_ERR_ARG);
    free(memory);
}

/* Numbers wrap after 2^32 saves; the newest stays the newest. */
static void sequence_wraps(void) {
    const tsad_config c = baseline_config();
    tsad d;
    void *memory = start(&d, &c);
    unsigned char flash[2][IMAGE], image[IMAGE];
    const unsigned char *const slots[2] = {flash[0], flash[1]};
    int slot;
    memset(flash, 0xff, sizeof flash);
    CHECK(tsad_baseline_save(&d, slots, image, &slot) == TSAD_OK);
    memset(image + 16, 0xff, 4); /* the last number there is, with the CRC that belongs to it */
    const tsad_span span = {"image", image, IMAGE - 4, 1};
    tsad_model whole = m_tiny;
    whole.weights = &span;
    whole.weight_arrays = 1;
    const uint32_t crc = tsad_model_crc(&whole);
    for (int k = 0; k < 4; k++)
        image[IMAGE - 4 + k] = (unsigned char)(crc >> 8 * k);
    memcpy(flash[0], image, IMAGE);
    for (int k = 1; k < 5; k++) {
        CHECK(tsad_baseline_save(&d, slots, image, &slot) == TSAD_OK && slot == k % 2);
        CHECK(image[16] == k - 1);
        memcpy(flash[slot], image, IMAGE);
    }
    free(memory);
}

int main(void) {
    configs();
    learns();
    constant_channels_keep_their_scale();
    refused();
    images(0);
    images(1);
    sequence_wraps();
    return check_result();
}
