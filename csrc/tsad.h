/*
 * tsad.h - the manual of the tsad-edge detector in C.
 *
 * A *model* is what was learned: constant data and functions, made by the code generator, kept in flash. It turns a
 * window of samples into one score; higher means more abnormal. A *detector* is everything about time: the guard over
 * samples, the window, the warm-up, gaps, smoothing, the threshold, events. The caller owns all memory; nothing here
 * allocates, prints, recurses or keeps a writable global.
 *
 *     static union { uint64_t align; unsigned char bytes[M_PUMP_MEMORY]; } memory;
 *     tsad d;
 *     tsad_result r;
 *     if (tsad_init(&d, &m_pump, &m_pump_config, &memory, sizeof memory) < 0) { ... }
 *     for (uint64_t t = 0; read_sensors(sample); t++)
 *         if (tsad_step(&d, t, sample, &r) == TSAD_OK && r.event == TSAD_EVENT_ENDED) report(&d.record);
 *     if (tsad_finish(&d)) report(&d.record);
 *
 * A sample goes this way: guard (is it to be believed?) -> window -> model -> smoothing -> threshold -> event.
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
#define TSAD_MODEL_ABI 2

/* What `memory` given to tsad_init must be aligned to, in bytes. malloc's alignment is enough on every host. */
#define TSAD_ALIGN 8u
#define TSAD_ROUND_UP(bytes) (((bytes) + (TSAD_ALIGN - 1u)) / TSAD_ALIGN * TSAD_ALIGN)

/*
 * Bytes a detector needs, as constant expressions: a static array can have their sum as its size. TSAD_MEMORY_SIZE is
 * what the model takes to score `batch` windows at once, its arguments are fields of tsad_model; the others are what
 * parts of the config take that are on. Generated headers have the sum done for a batch of 1 (<NAME>_MEMORY). Nothing
 * here looks for overflow; tsad_memory_size does, and otherwise gives the same. (But for a stream that is to take many
 * windows at once, in_bulk: it wants room for their slots, too, and tsad_memory_size alone knows.)
 */
#define TSAD_MEMORY_SIZE(window, slot_size, state_size, parts, arena_fixed, arena_window, batch)                       \
    (TSAD_ROUND_UP(((state_size) != 0 ? (size_t)1 : (size_t)(window) + (size_t)(batch)-1u) * (size_t)(slot_size)) +    \
     TSAD_ROUND_UP((size_t)(state_size)) +                                                                             \
     TSAD_ROUND_UP((size_t)(arena_fixed) + (size_t)(batch) * (size_t)(arena_window)) +                                 \
     TSAD_ROUND_UP((size_t)(parts) * sizeof(float)))
#define TSAD_GUARD_SIZE(channels) TSAD_ROUND_UP((size_t)(channels)*12u) /* stuck, jump, or a policy of hold */
#define TSAD_SPOT_SIZE TSAD_ROUND_UP(sizeof(tsad_peaks))
#define TSAD_BASELINE_SIZE(channels) (TSAD_ROUND_UP(sizeof(tsad_learning)) + TSAD_ROUND_UP((size_t)(channels)*16u))
#define TSAD_EVENTS_SIZE(records) TSAD_ROUND_UP((size_t)(records) * sizeof(tsad_event))

enum tsad_status {
    TSAD_OK = 0,
    TSAD_WARMING_UP = 1,   /* the window is not full: there is no score */
    TSAD_ERR_ARG = -1,     /* a null pointer, memory that is not aligned, a config that cannot be */
    TSAD_ERR_ABI = -2,     /* the model was generated for another TSAD_MODEL_ABI */
    TSAD_ERR_MEMORY = -3,  /* fewer bytes than tsad_memory_size(model, config, 1), or that size overflows */
    TSAD_ERR_CRC = -4,     /* the weights are not those that were generated */
    TSAD_ERR_INPUT = -5,   /* a value of the sample is NaN or infinite: the sample was not taken */
    TSAD_ERR_TIME = -6,    /* t is not after that of the step before: the sample was not taken */
    TSAD_ERR_BASELINE = -7 /* a baseline learnt on site is beyond its limits, or has no whole image */
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
    const char *id;     /* SHA-256 of all it was made from, 64 hexadecimal digits; detector.json says of what */
    const char *isa;    /* which kernels it was compiled with: "generic", "avx2", "avx512", "cortexm_dsp" */
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
     * score of a window does not depend on n or on its neighbours, bit for bit. May be NULL where there is a stream.
     */
    void (*forward)(const void *slots, size_t n, float *scores, float *parts, void *arena);

    /*
     * Optional stream triple, NULL for a windowed model: the same scores bit for bit, one slot at a time, with reused
     * work. advance is called for every sample from the first on; what it gives before the W-th is not a score yet.
     */
    uint32_t state_size; /* bytes of state, a multiple of TSAD_ALIGN; 0 for a windowed model */
    void (*state_reset)(void *state);
    void (*advance)(void *state, const void *slot, float *score, float *parts, void *arena);
    uint32_t in_bulk; /* of a stream: 1 where many windows at once take forward less time than advance */
} tsad_model;

/* The CRC of the weights as they are in memory now. The model's ABI must be this one. */
uint32_t tsad_model_crc(const tsad_model *m);

/* TSAD_OK, TSAD_ERR_ARG (NULL), TSAD_ERR_ABI or TSAD_ERR_CRC. tsad_init asks this first. */
int tsad_model_check(const tsad_model *m);

/* ---------------------------------------------------------------- config: what a plant may change */

/*
 * The guard: whether a sample is to be believed. There are six ways in which it may not be, the *kinds*; what is then
 * done is the kind's *policy*. 0 is off: not looked at; a value that is not finite and a step back in time are then
 * refused with an error, as nothing can be computed from them.
 *
 *   kind           when                                              may be              off means
 *   not_finite     a value is NaN or infinite                         hold, reset         refused: TSAD_ERR_INPUT
 *   out_of_range   a value is below low or above high                 mark, hold, reset   not looked at
 *   stuck          a value is the same for stuck_from samples         mark, reset         not looked at
 *   jump           a value is further than jump_most from the last    mark, hold, reset   not looked at
 *   gap            t is more than gap_most after the last sample      mark, reset         not looked at
 *   step_back      t is before the last sample                        reset               refused: TSAD_ERR_TIME
 *
 *   TSAD_MARK   the sample is taken as it is
 *   TSAD_HOLD   the value is replaced by the one that was taken last. After hold_most such samples in a row, or where
 *               there is none to repeat, as TSAD_RESET
 *   TSAD_RESET  the window is emptied, and fills anew. A sample whose values cannot be (not finite, out of range) is
 *               left out; any other is the first of the new window
 *
 * Whatever is found is told in tsad_result.quality. "The last" is what was taken: after a HOLD, the held value. What
 * the guard knows of the past it forgets with the window.
 */
enum tsad_policy { TSAD_OFF = 0, TSAD_MARK = 1, TSAD_HOLD = 2, TSAD_RESET = 3 };

/* Of a sample: what was found, as a sum; TSAD_HELD where a value was replaced. 0: nothing. */
enum tsad_quality {
    TSAD_NOT_FINITE = 1,
    TSAD_OUT_OF_RANGE = 2,
    TSAD_STUCK = 4,
    TSAD_JUMP = 8,
    TSAD_GAP = 16,
    TSAD_STEP_BACK = 32,
    TSAD_HELD = 64
};
#define TSAD_QUALITIES 7

typedef struct tsad_guard_config {
    uint8_t not_finite; /* enum tsad_policy, of each kind */
    uint8_t out_of_range;
    uint8_t stuck;
    uint8_t jump;
    uint8_t gap;
    uint8_t step_back;
    uint16_t hold_most;         /* samples in a row for which a channel's value may be held */
    uint64_t gap_most;          /* how far t may move on, in units of t */
    const float *low, *high;    /* (C) inclusive bounds; wanted where out_of_range is on */
    const float *jump_most;     /* (C) the largest change from one sample to the next; wanted where jump is on */
    const uint32_t *stuck_from; /* (C) as many equal samples in a row are stuck, 0: never; wanted where stuck is on */
} tsad_guard_config;

/*
 * From score to event. All lengths count samples that have a score.
 *
 *   smoothing    The score is s, with s = s + smoothing * (x - s) for each x that the model gives, every operation
 *                rounded to float; the first x after a reset of the window is taken as it is, and so is the first after
 *                an s that is not finite. 0: s = x. What is told, and compared with the threshold, is s.
 *   hysteresis   A run of samples begins with a score > threshold, and goes on while the score is > threshold -
 *                hysteresis * |threshold|.
 *   min_on       A run is an event from its `min_on`-th sample on: it is told then, and dated from its first sample. A
 *                shorter run is none. 0 is as 1.
 *   refractory   So many samples after the one that ended an event begin no run.
 *   records      The last so many events that ended are kept, for tsad_next_event.
 *
 * With all of them 0 an event is a run of samples with score > threshold.
 */
typedef struct tsad_event_config {
    float smoothing;  /* 0 to 1 */
    float hysteresis; /* 0 to 1 */
    uint32_t min_on;
    uint32_t refractory;
    uint32_t records;
} tsad_event_config;

/*
 * SPOT: a threshold that goes on learning, from the tail of normal scores, so that `risk` of them lie above it. A score
 * above tail.start, but not above the threshold, is a *peak*; peaks exceed the start as a generalised Pareto
 * distribution says. Each new peak moves the threshold, from the next sample on; a score above it never does, nor one
 * that is not finite. The shape stays; scale and number of peaks follow the newest 64. tsad_reset forgets what was
 * learnt.
 *
 * Windows that overlap have scores that are much alike: a slow fault would fill the memory with its own scores, and
 * raise the threshold before it is one. So one score in `every` is learnt from; the window's length is right.
 */
#define TSAD_SPOT_PEAKS 64u

typedef struct tsad_tail {
    float start;
    float shape;  /* -0.25 to below 1: 0 falls exponentially, above it more slowly, below it there is an end */
    float excess; /* mean of (score - start) over the peaks; alarms are none */
    uint32_t gap; /* mean number of scores from one peak to the next, 1 to 65535 */
} tsad_tail;

typedef struct tsad_spot_config {
    uint32_t every; /* 0: off, the threshold is constant */
    float risk;     /* 1e-9 to below 1 */
    tsad_tail tail; /* what is known at the start */
} tsad_spot_config;

/*
 * A baseline is what a detector calls normal: the scaler's table, the threshold and, with SPOT, the tail. It may be
 * learnt anew on site, where somebody watches and declares the samples normal (see tsad_baseline_begin). Every limit is
 * measured from what the model came with, not from the last baseline, so that many small steps lead no further than
 * one. Only for a model whose table is that of a scaler (`enter` gives (sample - offset) * scale): where values stay as
 * they are, the shift is beyond every sensible limit.
 */
typedef struct tsad_baseline_config {
    uint32_t samples; /* for the scaler, and then as many scores for the threshold: 500 to 3249; 0: off */
    float risk;       /* wanted share of normal scores above the threshold */
    float unit;       /* a deviation of the training data, as `enter` gives it: 1 but for integer models */
    float shift;      /* most that a channel's mean may move, in deviations of the training data */
    float stretch;    /* most that its deviation may grow or shrink, as a factor from 1 */
    float least;      /* the threshold must not be lower, */
    float most;       /* nor higher */
} tsad_baseline_config;

/*
 * `size` stays the first field for ever: it says how much of this struct its writer knew. Later releases append fields;
 * what is not within `size` counts as 0, and 0 means off. A reader older than the writer leaves what it does not know.
 */
typedef struct tsad_config {
    uint32_t size;   /* sizeof(tsad_config) of whoever wrote it */
    float threshold; /* a sample is abnormal when its score is greater; +infinity: never */
    tsad_guard_config guard;
    tsad_event_config events;
    tsad_spot_config spot;
    tsad_baseline_config baseline;
} tsad_config;

/*
 * Copies a config of any release into one of this release: the first min(size, sizeof(tsad_config)) bytes, zero for
 * the rest, and `size` is then that of this release. A plain assignment of a library's config would read past its end.
 * Arrays are not copied: they must outlive the copy. TSAD_OK, or TSAD_ERR_ARG for NULL or a size without the fields of
 * version 0.1.0 (size, threshold); then *to is as it was.
 */
int tsad_config_copy(tsad_config *to, const tsad_config *from);

/*
 * A model library (a shared object made by `tsad convert`) exports these two under these names. `isa` is "generic",
 * "avx2", "avx512", or NULL for what the environment variable names, or without it the best that this machine can run;
 * the answer is NULL when the library has no such model, or the machine cannot run it.
 */
typedef const tsad_model *tsad_model_get_fn(const char *isa);
typedef const tsad_config *tsad_config_get_fn(void);
#define TSAD_MODEL_GET "tsad_model_get"
#define TSAD_ISA_VARIABLE "TSAD_ISA"
#define TSAD_CONFIG_GET "tsad_config_get"

/* ---------------------------------------------------------------- detector: all about time */

enum tsad_event_change { TSAD_EVENT_NONE = 0, TSAD_EVENT_STARTED = 1, TSAD_EVENT_ENDED = 2 };

/*
 * Samples without a score neither end nor extend an event; but a reset of the window by the guard ends it, as what
 * comes after was not seen to belong to it.
 */
typedef struct tsad_event {
    uint64_t id;     /* 1 for the first event since init or reset; 0: there was none yet */
    uint64_t start;  /* t of its first sample */
    uint64_t end;    /* t of its last sample so far */
    uint64_t peak_t; /* t of the first sample that had the peak */
    float peak;      /* the highest score */
    int32_t top;     /* channel with the largest share at the peak; -1 when the model gives no parts */
} tsad_event;

/*
 * A score is valid when it is not NaN: the window that ends in this sample is full, of samples that were taken one
 * after the other since the last reset. Whether all of them are to be believed says `window_quality`.
 */
typedef struct tsad_result {
    uint64_t t;
    float score;             /* NaN while the window fills */
    int32_t alarm;           /* 1 when this sample has a score and an event goes on, else 0 */
    int32_t event;           /* enum tsad_event_change; at TSAD_EVENT_ENDED the record holds the event that is over */
    uint32_t quality;        /* sum of enum tsad_quality: of this sample */
    uint32_t window_quality; /* the same, of all samples in the window */
} tsad_result;

/* The newest peaks of SPOT. */
typedef struct tsad_peaks {
    uint32_t next;  /* where the next one goes: the place of the oldest */
    uint32_t since; /* scores learnt from since the newest one */
    uint32_t skip;  /* scores to pass over until the next to learn from */
    float excess[TSAD_SPOT_PEAKS];
    uint16_t gap[TSAD_SPOT_PEAKS];
} tsad_peaks;

/* The highest of many scores. */
typedef struct tsad_highest {
    uint32_t seen;
    uint32_t kept;
    float score[TSAD_SPOT_PEAKS + 1u]; /* the first `kept`, falling */
} tsad_highest;

/* A baseline being learnt. */
typedef struct tsad_learning {
    int32_t active;     /* 1 from begin to finish */
    int32_t switched;   /* 1: the candidate is in force */
    uint32_t taken;     /* samples that the scaler was learnt from */
    float shift;        /* what the last learning found: the largest shift, in deviations, */
    uint32_t shifted;   /* of which channel; */
    float stretch;      /* the largest factor that a deviation grew or shrank by, */
    uint32_t stretched; /* of which channel; */
    float threshold;    /* NaN where it did not come so far */
    float factory_threshold;
    tsad_tail factory_tail;
    tsad_highest highest;
} tsad_learning;

/* Fields are for reading; only the functions below write them. */
typedef struct tsad {
    const tsad_model *model;
    tsad_config config;
    const float *table;   /* what enter uses: the model's own, or that of a baseline */
    unsigned char *slots; /* room for W + batch - 1 slots, the window last; a stream that takes none at once keeps 1 */
    unsigned char *state; /* of a stream model */
    unsigned char *arena; /* forward's working memory */
    float *parts;         /* shares of the newest window, when the model has them */
    size_t batch;         /* windows that fit into the given memory at once */
    size_t used;          /* slots in use from the first on; the next sample's goes behind them */
    uint64_t taken;       /* samples taken since init or reset */
    uint64_t in_row;      /* of them since the window was emptied last */
    size_t behind;        /* of them taken since state saw one, as windows in bulk; a window's worth at least, or all */
    uint64_t last_t;      /* t of the last step; tsad_score takes samples without one */
    int32_t timed;        /* 1 once there is a last_t */
    float smooth;         /* the last score; not finite: smoothing begins with the next */

    /* The guard: kinds by policy, as sums of enum tsad_quality, and what it knows of the window's past. */
    uint32_t looks; /* kinds that are not off */
    uint32_t holds;
    uint32_t resets;
    float *last;                   /* (C) values as they were taken last, */
    uint32_t *same;                /* (C) how many of them in a row were equal, */
    uint32_t *held;                /* (C) and were held; all three NULL where no policy asks for them */
    uint32_t ages[TSAD_QUALITIES]; /* samples taken since each quality was told, by bit */

    /* Events. */
    float threshold;        /* that scores are compared with now */
    tsad_peaks *peaks;      /* of SPOT; NULL where it is off */
    tsad_event run;         /* the run that is no event yet */
    uint32_t run_length;    /* its samples; 0: there is none */
    uint32_t quiet;         /* samples that still begin no run */
    int32_t open;           /* 1 while an event goes on */
    tsad_event record;      /* the event that goes on, or the last one */
    tsad_event *records;    /* ring of those that ended, config.events.records of them */
    uint32_t records_first; /* the oldest that was not handed out */
    uint32_t records_used;
    uint64_t records_lost; /* overwritten before they were handed out */

    /* The baseline; all NULL where it cannot be learnt anew. */
    tsad_learning *learning;
    float *own_table;   /* (2 C) in force: offsets, scales */
    float *other_table; /* (2 C) moments, then the candidate, then the table before it */
} tsad;

/*
 * Bytes tsad_init wants in order to score `batch` windows at once; 1 is what tsad_step needs. 0: the size overflows, or
 * there is no such detector (no model, no config, no batch, a model without channels, window or slot).
 */
size_t tsad_memory_size(const tsad_model *m, const tsad_config *c, size_t batch);

/*
 * Takes `size` bytes at `memory` (aligned to TSAD_ALIGN) for as long as the detector lives; more bytes than
 * tsad_memory_size(m, c, 1) make tsad_score faster. The weights' CRC is checked here, once. Model, memory and the
 * config's arrays must outlive the detector; the config is copied, by tsad_config_copy. TSAD_OK, or TSAD_ERR_ARG, _ABI,
 * _CRC, _MEMORY, and then *d is as it was.
 */
int tsad_init(tsad *d, const tsad_model *m, const tsad_config *c, void *memory, size_t size);

/* Forgets all samples and events; keeps model, config and memory. */
void tsad_reset(tsad *d);

/*
 * Takes one sample (C floats, raw units) at time t (a sample index or integer milliseconds, strictly increasing), gives
 * the score of the window that ends in it, and moves threshold and events on.
 *
 *   TSAD_OK           r holds t, score, alarm, quality and what happened to the event
 *   TSAD_WARMING_UP   the same with a score of NaN and no alarm: one of the first W-1 samples of a window, or one that
 * a policy of reset or hold left out TSAD_ERR_INPUT    a value is NaN or infinite, and no policy for it; nothing
 * changed, r is not written TSAD_ERR_TIME     t is that of the step before, or before it and no policy for it; likewise
 *   TSAD_ERR_ARG      d, sample or r is NULL
 *
 * A refused sample is simply missing: the window goes on with the next one, unless t then shows a gap and the guard has
 * a policy for it. A score is never NaN otherwise: where finite but absurd values make the model's arithmetic give NaN
 * (inf - inf), the score is +infinity, and so an alarm.
 */
int tsad_step(tsad *d, uint64_t t, const float *sample, tsad_result *r);

/*
 * Bulk scoring: takes n samples (n, C) at once and writes n scores, bit for bit those of n steps without gaps in time;
 * NaN where there is none. It goes on from the samples taken before, moves no event and needs no t. TSAD_OK, or
 * TSAD_ERR_ARG for a null pointer.
 */
int tsad_score(tsad *d, const float *samples, size_t n, float *scores);

/*
 * The decision half of tsad_step, for scores that are already there, smoothed: moves events on by one scored sample.
 * `parts` (C) may be NULL; then `top` is -1. `r` is written as by tsad_step, with a quality of 0. A score of NaN is a
 * sample without a score: TSAD_WARMING_UP, and no event changes. TSAD_ERR_TIME when t is not after that of the step
 * before; TSAD_ERR_ARG when d or r is NULL.
 */
int tsad_decide(tsad *d, uint64_t t, float score, const float *parts, tsad_result *r);

/* At the end of a recording: ends the event that goes on. 1: one did, and the record holds it; 0: none did. */
int tsad_finish(tsad *d);

/*
 * Samples are missing that t does not tell of (a line was down, a queue ran over): what a reset by the guard does. The
 * window is emptied; 1: an event ended, and the record holds it; 0: none did.
 */
int tsad_interrupt(tsad *d);

/*
 * Hands out the events that ended, oldest first, each once: 1 and *e, or 0 when there is none left. Of more than
 * config.events.records that nobody asked for the oldest are gone; d->records_lost counts them.
 */
int tsad_next_event(tsad *d, tsad_event *e);

/* ---------------------------------------------------------------- baseline: what is normal, learnt anew on site */

/*
 * Learning takes the detector out of service: from begin to finish call nothing else of it.
 *
 *     tsad_baseline_begin(&d);
 *     while ((status = tsad_baseline_sample(&d, next_normal_sample())) == TSAD_WARMING_UP || status == TSAD_ERR_INPUT)
 *         ;
 *     if (status == TSAD_OK && (status = tsad_baseline_finish(&d)) == TSAD_OK) save it
 *
 * The first config.baseline.samples give each channel's offset and scale; what is constant keeps its scale. The window
 * then fills anew, and as many scores give the threshold and the tail, at config.baseline.risk.
 *
 *   TSAD_WARMING_UP    there are more to come
 *   TSAD_OK            begin: it has begun; sample: there are enough; finish: the new baseline is in force
 *   TSAD_ERR_INPUT     a value is NaN or infinite: the sample was not taken
 *   TSAD_ERR_BASELINE  refused: beyond the limits, the scores make no tail, or finish came too soon. Learning is over,
 *                      and the baseline is the one from before; d->learning says how far off which channel was
 *   TSAD_ERR_ARG       NULL, the config has it off, or it was not begun (begin: it was)
 *
 * Where learning ends, and where the scaler changes, all samples and events are forgotten, as by tsad_reset.
 */
int tsad_baseline_begin(tsad *d);
int tsad_baseline_sample(tsad *d, const float *sample);
int tsad_baseline_finish(tsad *d);

/*
 * A baseline's image: format, model it belongs to, sequence number, values, CRC-32; the same bytes on every machine.
 * There is room for two, the slots (pages of flash that can be read at `slots`): a new one goes where the newest is
 * not. Whatever byte the power fails at, a restart finds the old image or the new one. The caller does the writing.
 */
#define TSAD_BASELINE_IMAGE(channels) (48u + 8u * (size_t)(channels)) /* bytes */

/* Puts the newest whole image into force. TSAD_ERR_BASELINE: there is none of this model, and nothing changed. */
int tsad_baseline_load(tsad *d, const unsigned char *const slots[2]);

/* The image of the baseline in force, and which slot to write it to (0 or 1). */
int tsad_baseline_save(const tsad *d, const unsigned char *const slots[2], unsigned char *image, int *slot);

/*
 * Puts the baseline before the newest into force (where there is no other, what the model came with), and gives its
 * image and slot, to be written likewise. TSAD_ERR_BASELINE: there is no image at all, and nothing changed.
 */
int tsad_baseline_rollback(tsad *d, const unsigned char *const slots[2], unsigned char *image, int *slot);

#ifdef __cplusplus
}
#endif

#endif
