/*
 * tsad_parts.h - what the detector's own files say to each other; nobody else includes it.
 *
 * tsad.c owns memory, window and scores, and calls the other parts. A part has a check of its config, a size and a
 * place in the caller's memory, and a new start; what it writes of struct tsad stands there under its name.
 */
#ifndef TSAD_PARTS_H
#define TSAD_PARTS_H

#include "tsad.h"

/* ---------------------------------------------------------------- floats by their bits: right under any flags */

#define TSAD_EXPONENT 0x7f800000u

static inline uint32_t tsad_bits(float x) {
    union {
        float value;
        uint32_t bits;
    } u;
    u.value = x;
    return u.bits;
}

static inline float tsad_from_bits(uint32_t bits) {
    union {
        float value;
        uint32_t bits;
    } u;
    u.bits = bits;
    return u.value;
}

static inline int tsad_is_finite(float x) { return (tsad_bits(x) & TSAD_EXPONENT) != TSAD_EXPONENT; }
static inline int tsad_is_nan(float x) { return (tsad_bits(x) & 0x7fffffffu) > TSAD_EXPONENT; }
static inline float tsad_nan(void) { return tsad_from_bits(0x7fc00000u); }
static inline float tsad_magnitude(float x) { return tsad_from_bits(tsad_bits(x) & 0x7fffffffu); }

/* ---------------------------------------------------------------- sizes that tell when they overflow */

static inline size_t tsad_add(size_t a, size_t b, int *overflow) {
    *overflow |= b > SIZE_MAX - a;
    return a + b;
}

static inline size_t tsad_times(size_t a, size_t b, int *overflow) {
    *overflow |= b != 0 && a > SIZE_MAX / b;
    return a * b;
}

/* ---------------------------------------------------------------- the guard, tsad_guard.c */

/* What is to become of a sample. */
typedef struct tsad_verdict {
    int status; /* TSAD_OK, or why the sample is refused: then nothing else counts */
    int reset;  /* the window is emptied before */
    int take;   /* the sample goes into the window */
    uint32_t quality;
} tsad_verdict;

int tsad_guard_is_right(const tsad_guard_config *c);
size_t tsad_guard_size(const tsad_model *m, const tsad_config *c, int *overflow);
/* Gives the place behind it; so do those of other parts. */
unsigned char *tsad_guard_place(tsad *d, unsigned char *memory);
/* The window has been emptied. */
void tsad_guard_forget(tsad *d);

/* Both only look. The first begins a verdict, which the second goes on with. */
tsad_verdict tsad_guard_time(const tsad *d, uint64_t t);
void tsad_guard_values(const tsad *d, const float *sample, tsad_verdict *v);
static inline tsad_verdict tsad_guard_no_time(void) {
    const tsad_verdict v = {TSAD_OK, 0, 1, 0};
    return v;
}

/* For a sample that is to be taken, once a reset has been done: the values (C) that go into the window. */
const float *tsad_guard_take(tsad *d, const float *sample, uint32_t quality);
/* Sum of enum tsad_quality over the window. */
uint32_t tsad_guard_window(const tsad *d);

/* ---------------------------------------------------------------- events, tsad_event.c */

int tsad_event_is_right(const tsad_event_config *c);
size_t tsad_event_size(const tsad_config *c, int *overflow);
unsigned char *tsad_event_place(tsad *d, unsigned char *memory);
void tsad_event_forget(tsad *d);

/* One scored sample, or NaN: writes alarm and event of *r, which has the rest. */
void tsad_event_move(tsad *d, const float *parts, tsad_result *r);

/* ---------------------------------------------------------------- SPOT, tsad_spot.c */

int tsad_spot_is_right(const tsad_spot_config *c);
size_t tsad_spot_size(const tsad_config *c);
unsigned char *tsad_spot_place(tsad *d, unsigned char *memory);
void tsad_spot_forget(tsad *d);

/* One scored sample, or NaN, that has been compared with the threshold. */
void tsad_spot_learn(tsad *d, float score);

/* ---------------------------------------------------------------- the baseline, tsad_baseline.c */

int tsad_baseline_is_right(const tsad_model *m, const tsad_baseline_config *c);
size_t tsad_baseline_size(const tsad_model *m, const tsad_config *c, int *overflow);
unsigned char *tsad_baseline_place(tsad *d, unsigned char *memory);

/* CRC-32 of one byte more, tsad.c. */
uint32_t tsad_crc_byte(uint32_t crc, unsigned byte);

#endif
