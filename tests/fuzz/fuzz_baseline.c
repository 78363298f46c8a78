/*
 * Any bytes in the two slots of a saved baseline: what is refused leaves detector and memory as they were; what is
 * taken can be saved and loaded again, the same to the bit; wherever a write stops, a restart finds the baseline of
 * before or the new one; and samples are scored by what is in force.
 */
#include "fuzz.h"
#include "m_tiny.h"

#include <math.h>

enum { C = M_TINY_CHANNELS, IMAGE = TSAD_BASELINE_IMAGE(M_TINY_CHANNELS), SAMPLES = 500 };

static tsad_config config;
static tsad d, d_before;
static unsigned char *memory, *memory_before;
static size_t size;
static unsigned char *flash[2]; /* each exactly an image, so that the address sanitizer sees one byte too far */

/* What is in force. */
typedef struct baseline {
    float threshold;
    tsad_tail tail;
    float table[2 * C];
} baseline;

static baseline in_force(const tsad *of) {
    baseline b;
    memset(&b, 0, sizeof b);
    b.threshold = of->config.threshold;
    b.tail = of->config.spot.tail;
    memcpy(b.table, of->table, sizeof b.table);
    return b;
}

static int same(const baseline *a, const baseline *b) { return memcmp(a, b, sizeof *a) == 0; }

/* As after power on: the detector, and what the slots hold. */
static baseline restarted(int *status) {
    const unsigned char *const slots[2] = {flash[0], flash[1]};
    tsad other;
    void *room = malloc(size);
    HOLDS(room != NULL && tsad_init(&other, &m_tiny, &config, room, size) == TSAD_OK);
    *status = tsad_baseline_load(&other, slots);
    HOLDS(*status == TSAD_OK || *status == TSAD_ERR_BASELINE);
    const baseline b = in_force(&other);
    free(room);
    return b;
}

static void keep(void) {
    memcpy(&d_before, &d, sizeof d);
    memcpy(memory_before, memory, size);
}

static int unchanged(void) { return memcmp(&d_before, &d, sizeof d) == 0 && memcmp(memory_before, memory, size) == 0; }

/* ---------------------------------------------------------------- images */

static uint32_t crc_of(const unsigned char *from, size_t count) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < count; i++) {
        crc ^= from[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 1u) != 0 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static void put_u32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

/* An image of what is in force, of which one word is another; whole, as its checksum is that of its bytes. */
static void forge(input *in, unsigned char *slot) {
    static const unsigned char zeros[IMAGE];
    const unsigned char *const empty[2] = {zeros, zeros};
    int to;
    HOLDS(tsad_baseline_save(&d, empty, slot, &to) == TSAD_OK);
    const size_t word = take_byte(in) % (IMAGE / 4 - 1);
    put_u32(slot + 4 * word, take_u32(in));
    put_u32(slot + IMAGE - 4, crc_of(slot, IMAGE - 4));
}

/* Writes an image to its slot, and the power may fail on the way: nothing but the old baseline or the new one is left.
 */
static void write(input *in, const unsigned char *image, int slot) {
    int status;
    const baseline new_one = in_force(&d), old_one = restarted(&status);
    const size_t done = take_byte(in) % (IMAGE + 1u);
    HOLDS(slot == 0 || slot == 1);
    memset(flash[slot], 0xff, IMAGE);
    memcpy(flash[slot], image, done);
    const baseline found = restarted(&status);
    HOLDS(done < IMAGE || (status == TSAD_OK && same(&found, &new_one)));
    HOLDS(same(&found, &old_one) || same(&found, &new_one)); /* without any image it is what the model came with */
}

static void load(void) {
    const unsigned char *const slots[2] = {flash[0], flash[1]};
    unsigned char image[IMAGE];
    int slot, status;
    keep();
    if (tsad_baseline_load(&d, slots) != TSAD_OK) {
        HOLDS(unchanged());
        return;
    }
    HOLDS(!isnan(d.config.threshold) && d.taken == 0);
    for (int i = 0; i < 2 * C; i++)
        HOLDS(isfinite(d.table[i]));
    const baseline b = in_force(&d);
    HOLDS(tsad_baseline_save(&d, slots, image, &slot) == TSAD_OK);
    memcpy(flash[slot], image, IMAGE);
    const baseline again = restarted(&status);
    HOLDS(status == TSAD_OK && same(&again, &b));
}

/* ---------------------------------------------------------------- learning */

/* Samples that are a line and noise around it; or all alike. */
static void learn(input *in) {
    const float middle = (float)take_byte(in) - 128.0f, spread = (float)take_byte(in) / 16.0f;
    const baseline before = in_force(&d);
    uint32_t seed = 1u + take_u32(in);
    int status = TSAD_WARMING_UP;
    HOLDS(tsad_baseline_begin(&d) == TSAD_OK && tsad_baseline_begin(&d) == TSAD_ERR_ARG);
    for (int i = 0; i < 2 * SAMPLES + M_TINY_WINDOW && status == TSAD_WARMING_UP; i++) {
        float sample[C];
        for (int c = 0; c < C; c++) {
            seed = seed * 1664525u + 1013904223u;
            sample[c] = middle + spread * ((float)(seed >> 8) / 8388608.0f - 1.0f);
        }
        status = tsad_baseline_sample(&d, sample);
    }
    if (status == TSAD_OK)
        status = tsad_baseline_finish(&d);
    HOLDS(status == TSAD_OK || status == TSAD_ERR_BASELINE);
    HOLDS(d.taken == 0 && !d.learning->active);
    const baseline after = in_force(&d);
    HOLDS(status == TSAD_OK ? after.threshold >= config.baseline.least && after.threshold <= config.baseline.most
                            : same(&after, &before));
}

static void score(input *in) {
    static uint64_t t;
    float sample[C];
    tsad_result r;
    for (int c = 0; c < C; c++)
        sample[c] = (float)take_byte(in);
    const int status = tsad_step(&d, d.timed ? d.last_t + 1 : t, sample, &r);
    HOLDS(status == (isnan(r.score) ? TSAD_WARMING_UP : TSAD_OK));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t count) {
    input in = {data, count};
    const uint8_t how = take_byte(&in);
    const tsad_tail tail = {2.0f, 0.1f, 1.0f, 20};
    config = m_tiny_config;
    config.baseline = (tsad_baseline_config){SAMPLES, 0.01f, 1.0f, 100.0f, 100.0f, -1e6f, 1e6f};
    if ((how & 1) != 0)
        config.spot = (tsad_spot_config){1, 0.01f, tail};
    size = tsad_memory_size(&m_tiny, &config, 1);
    memory = (unsigned char *)malloc(size);
    memory_before = (unsigned char *)malloc(size);
    flash[0] = (unsigned char *)calloc(IMAGE, 1);
    flash[1] = (unsigned char *)calloc(IMAGE, 1);
    HOLDS(memory != NULL && memory_before != NULL && flash[0] != NULL && flash[1] != NULL);
    HOLDS(tsad_init(&d, &m_tiny, &config, memory, size) == TSAD_OK);
    while (in.left > 0) {
        const unsigned char *const slots[2] = {flash[0], flash[1]};
        const uint8_t op = take_byte(&in);
        unsigned char image[IMAGE];
        int slot;
        switch (op & 7) {
        case 0:
            flash[op >> 3 & 1][take_byte(&in) % IMAGE] = take_byte(&in);
            break;
        case 1:
            forge(&in, flash[op >> 3 & 1]);
            break;
        case 2:
            load();
            break;
        case 3:
            HOLDS(tsad_baseline_save(&d, slots, image, &slot) == TSAD_OK);
            write(&in, image, slot);
            break;
        case 4:
            keep();
            if (tsad_baseline_rollback(&d, slots, image, &slot) == TSAD_OK)
                write(&in, image, slot);
            else
                HOLDS(unchanged());
            break;
        case 5:
            learn(&in);
            break;
        default:
            score(&in);
            break;
        }
    }
    free(memory);
    free(memory_before);
    free(flash[0]);
    free(flash[1]);
    return 0;
}
