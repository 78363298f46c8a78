/*
 * tsad.h - the manual of the tsad-edge detector in C.
 *
 * A *model* is what was learned: constant data and functions, made by the code generator, kept in flash. It turns a
 * window of samples into one score; higher means more abnormal. A *detector* is everything about time: the window,
 * the warm-up, missing samples, the threshold, events. The caller owns all memory; nothing here allocates, prints,
 * recurses or keeps a writable global.
 *
 *     static union { uint64_t align; unsigned char bytes[M_PUMP_MEMORY]; } memory;
 *     tsad d;
 *     tsad_result r;
 *     if (tsad_init(&d, &m_pump, &m_pump_config, &memory, sizeof memory) < 0) { ... }
 *     for (uint64_t t = 0; read_sensors(sample); t++)
 *         if (tsad_step(&d, t, sample, &r) == TSAD_OK && r.event == TSAD_EVENT_ENDED) report(&d.record);
 *     if (tsad_finish(&d)) report(&d.record);
 *
 * Every function that can fail returns an enum tsad_status: 0 is fine, positive means "not yet", negative is an error.
 * A step that fails leaves the detector as if it had never been called, and its result unwritten.
 *
 * Threads: a model is constant and may be shared; a detector belongs to one thread at a time. Interrupts: the same.
 * Stack: no recursion, no array of variable size: a linker's worst case is the true one.
 */
#ifndef TSAD_H
#define TSAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Two numbers that change for different reasons: the library's version, and the model ABI. The second goes up with any
 * change to tsad_model or tsad_span, even a field at the end, because a model library of one release hands them to a
 * host of another. `abi` stays the first field for ever: a host reads it before anything else. tsad_config may get
 * fields at its end without that, because it tells its size; any other change to it raises the ABI, too.
 */
#define TSAD_VERSION "0.1.0"
#define TSAD_MODEL_ABI 1

/* What `memory` given to tsad_init must be aligned to, in bytes. malloc's alignment is enough on every host. */
#define TSAD_ALIGN 8u
#define TSAD_ROUND_UP(bytes) (((bytes) + (TSAD_ALIGN - 1u)) / TSAD_ALIGN * TSAD_ALIGN)

/*
 * Bytes a detector needs to score `batch` windows at once, as a constant expression: a static array can have this
 * size. The arguments are the fields of tsad_model; generated headers have it done for a batch of 1 (<NAME>_MEMORY).
 * It does not look for overflow; tsad_memory_size does, and otherwise gives the same.
 */
#define TSAD_MEMORY_SIZE(window, slot_size, state_size, parts, arena_fixed, arena_window, batch)                       \
    (TSAD_ROUND_UP(((state_size) != 0 ? (size_t)1 : (size_t)(window) + (size_t)(batch)-1u) * (size_t)(slot_size)) +    \
     TSAD_ROUND_UP((size_t)(state_size)) +                                                                             \
     TSAD_ROUND_UP((size_t)(arena_fixed) + (size_t)(batch) * (size_t)(arena_window)) +                                 \
     TSAD_ROUND_UP((size_t)(parts) * sizeof(float)))

enum tsad_status {
    TSAD_OK = 0,
    TSAD_WARMING_UP = 1,  /* the window is not full yet: there is no score */
    TSAD_ERR_ARG = -1,    /* a null pointer, memory that is not aligned, a config too short or with a NaN threshold */
    TSAD_ERR_ABI = -2,    /* the model was generated for another TSAD_MODEL_ABI */
    TSAD_ERR_MEMORY = -3, /* fewer bytes than tsad_memory_size(model, 1), or that size overflows */
    TSAD_ERR_CRC = -4,    /* the weights are not those that were generated */
    TSAD_ERR_INPUT = -5,  /* a value of the sample is NaN or infinite: the sample was not taken */
    TSAD_ERR_TIME = -6    /* t is not after that of an earlier step: the sample was not taken */
};

/* A phrase in English for each status, for example "time does not increase". Never NULL. */
const char *tsad_status_text(int status);

/* ---------------------------------------------------------------- model: what was learned, constant, in flash */

/* A constant array of the model: `count` values of `width` bytes each, in the byte order of the machine. */
typedef struct tsad_span {
    const char *name; /* layer and role, for example "net.0.weight"; folded ones join their sources with "+" */
    const void *data;
    uint32_t count;
    uint32_t width;
} tsad_span;

typedef struct tsad_model {
    uint32_t abi;       /* TSAD_MODEL_ABI the model was generated for; first, so that it can always be read */
    uint32_t crc;       /* CRC-32 (IEEE 802.3) over all `weights` in order, each value's bytes little-endian */
    const char *name;   /* the C name, for example "m_C_1" */
    const char *id;     /* SHA-256 of the graph, 64 hexadecimal digits */
    const char *isa;    /* which kernels it was compiled with: "generic", later "avx2", ... */
    const char *layout; /* how the weights are packed: "generic", later "cortexm", "x86" */
    const tsad_span *weights;
    uint32_t weight_arrays; /* length of `weights` */
    uint32_t channels;      /* C: values in a sample */
    /* C names in UTF-8, no two alike, in the order of a sample's values; NULL where nobody knows them. */
    const char *const *channel_names;
    uint32_t window;       /* W: samples in a window; the first W-1 samples have no score */
    uint32_t parts;        /* shares per window that forward can give: C, or 0 when the model has none */
    uint32_t slot_size;    /* bytes of one slot: a sample as the network wants it */
    uint32_t arena_fixed;  /* forward on n windows needs arena_fixed + n * arena_window bytes, */
    uint32_t arena_window; /* both multiples of TSAD_ALIGN */

    /* The part of the graph that acts on each sample alone (the scaler): sample (C) -> slot. */
    const float *table; /* its per-channel constants, replaceable by the detector */
    uint32_t table_count;
    void (*enter)(const float *sample, const float *table, void *slot);

    /*
     * n windows at stride one over W+n-1 contiguous slots -> scores (n) and, unless parts is NULL, parts (n, C). The
     * score of a window does not depend on n or on its neighbours, bit for bit.
     */
    void (*forward)(const void *slots, size_t n, float *scores, float *parts, void *arena);

    /*
     * Optional stream triple, NULL for a windowed model: the same scores, one slot at a time, with reused work. advance
     * is called for every sample from the first on; what it gives before the W-th is not a score yet.
     */
    uint32_t state_size; /* bytes of state, a multiple of TSAD_ALIGN; 0 for a windowed model */
    void (*state_reset)(void *state);
    void (*advance)(void *state, const void *slot, float *score, float *parts, void *arena);
} tsad_model;

/* The CRC of the weights as they are in memory now. The model's ABI must be this one. */
uint32_t tsad_model_crc(const tsad_model *m);

/* TSAD_OK, TSAD_ERR_ARG (NULL), TSAD_ERR_ABI or TSAD_ERR_CRC. tsad_init asks this first. */
int tsad_model_check(const tsad_model *m);

/* ---------------------------------------------------------------- config: what a plant may change */

/*
 * `size` stays the first field for ever: it says how much of this struct its writer knew. Later releases append fields;
 * what is not within `size` counts as 0, and 0 means off. A reader older than the writer leaves what it does not know.
 */
typedef struct tsad_config {
    uint32_t size;   /* sizeof(tsad_config) of whoever wrote it */
    float threshold; /* a sample is abnormal when its score is greater; +infinity: never */
} tsad_config;

/*
 * Copies a config of any release into one of this release: the first min(size, sizeof(tsad_config)) bytes, zero for
 * the rest, and `size` is then that of this release. A plain assignment of a library's config would read past its end.
 * TSAD_OK, or TSAD_ERR_ARG for NULL or a size without the fields of version 0.1.0 (size, threshold); then *to is as it
 * was.
 */
int tsad_config_copy(tsad_config *to, const tsad_config *from);

/*
 * A model library (a shared object made by `tsad convert`) exports these two under these names. `isa` is "generic",
 * another name, or NULL for the best this machine can run; the answer is NULL when the library has no such model.
 */
typedef const tsad_model *tsad_model_get_fn(const char *isa);
typedef const tsad_config *tsad_config_get_fn(void);
#define TSAD_MODEL_GET "tsad_model_get"
#define TSAD_CONFIG_GET "tsad_config_get"

/* ---------------------------------------------------------------- detector: all about time */

enum tsad_event_change { TSAD_EVENT_NONE = 0, TSAD_EVENT_STARTED = 1, TSAD_EVENT_ENDED = 2 };

/* An event is a run of scored samples with score > threshold; samples without a score neither end nor extend it. */
typedef struct tsad_event {
    uint64_t id;     /* 1 for the first event since init or reset; 0: there was none yet */
    uint64_t start;  /* t of its first sample */
    uint64_t end;    /* t of its last sample so far, itself over the threshold */
    float peak;      /* the highest score */
    uint64_t peak_t; /* t of the first sample that had it */
    int32_t top;     /* channel with the largest share at the peak; -1 when the model gives no parts */
} tsad_event;

typedef struct tsad_result {
    uint64_t t;
    float score;   /* NaN while warming up */
    int32_t alarm; /* 1 when score > threshold, else 0 */
    int32_t event; /* enum tsad_event_change; at TSAD_EVENT_ENDED the record holds the event that is over */
} tsad_result;

/* Fields are for reading; only the functions below write them. */
typedef struct tsad {
    const tsad_model *model;
    tsad_config config;
    const float *table;   /* what enter uses: the model's own */
    unsigned char *slots; /* room for W + batch - 1 slots, the window last; a stream model keeps 1 */
    unsigned char *state; /* of a stream model */
    unsigned char *arena; /* forward's working memory */
    float *parts;         /* shares of the newest window, when the model has them */
    size_t batch;         /* windows that fit into the given memory at once */
    size_t used;          /* slots in use from the first on; the next sample's goes behind them */
    uint64_t taken;       /* samples taken since init or reset */
    uint64_t last_t;      /* t of the last sample that tsad_step took; tsad_score takes samples without one */
    int32_t timed;        /* 1 once there is a last_t */
    int32_t open;         /* 1 while an event goes on */
    tsad_event record;    /* the event that goes on, or the last one */
} tsad;

/*
 * Bytes tsad_init wants in order to score `batch` windows at once; 1 is what tsad_step needs. 0: the size overflows, or
 * there is no such detector (no model, no batch, a model without channels, window or slot).
 */
size_t tsad_memory_size(const tsad_model *m, size_t batch);

/*
 * Takes `size` bytes at `memory` (aligned to TSAD_ALIGN) for as long as the detector lives; more bytes than
 * tsad_memory_size(m, 1) make tsad_score faster. The weights' CRC is checked here, once. Model and memory must outlive
 * the detector; the config is copied, by tsad_config_copy. TSAD_OK, or TSAD_ERR_ARG, _ABI, _CRC, _MEMORY, and then *d
 * is as it was.
 */
int tsad_init(tsad *d, const tsad_model *m, const tsad_config *c, void *memory, size_t size);

/* Forgets all samples and events; keeps model, config and memory. */
void tsad_reset(tsad *d);

/*
 * Takes one sample (C floats, raw units) at time t (a sample index or integer milliseconds, strictly increasing), gives
 * the score of the window that ends in it, and moves threshold and events on.
 *
 *   TSAD_OK           r holds t, score, alarm and what happened to the event
 *   TSAD_WARMING_UP   taken, as one of the first W-1 samples; r holds t, a score of NaN, no alarm, no event change
 *   TSAD_ERR_INPUT    a value is NaN or infinite;           nothing changed, r is not written
 *   TSAD_ERR_TIME     t is not after an earlier step's;     nothing changed, r is not written
 *   TSAD_ERR_ARG      d, sample or r is NULL
 *
 * A refused sample is simply missing: the window goes on with the next one. t orders samples and dates events, it does
 * not measure gaps; after a long gap tsad_reset starts a new window. A score is never NaN otherwise: where finite but
 * absurd values make the model's arithmetic give NaN (inf - inf), the score is +infinity, and so an alarm.
 */
int tsad_step(tsad *d, uint64_t t, const float *sample, tsad_result *r);

/*
 * Bulk scoring: takes n samples (n, C) at once and writes n scores, bit for bit those of n steps; NaN while warming up
 * and where a sample was refused. It goes on from the samples taken before, moves no event and needs no t. TSAD_OK, or
 * TSAD_ERR_ARG for a null pointer.
 */
int tsad_score(tsad *d, const float *samples, size_t n, float *scores);

/*
 * The decision half of tsad_step, for scores that are already there: moves events on by one scored sample. `parts` (C)
 * may be NULL; then `top` is -1. `r` is written as by tsad_step. A score of NaN is a sample without a score:
 * TSAD_WARMING_UP, and no event changes. TSAD_ERR_TIME when an event goes on and t is not after its end; TSAD_ERR_ARG
 * when d or r is NULL.
 */
int tsad_decide(tsad *d, uint64_t t, float score, const float *parts, tsad_result *r);

/* At the end of a recording: ends the event that goes on. 1: one did, and the record holds it; 0: none did. */
int tsad_finish(tsad *d);

#ifdef __cplusplus
}
#endif

#endif
