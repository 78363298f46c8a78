/*
 * tsad_statistics.h - what is learnt from normal data: the tail of scores, the deviation of channels. Knows no detector
 * and keeps nothing; tsad_spot.c and tsad_baseline.c include it, nobody else.
 */
#ifndef TSAD_STATISTICS_H
#define TSAD_STATISTICS_H

#include "tsad.h"

/* The level that is exceeded at this risk, by a tail's start and shape and a mean excess and gap; NaN: it has none. */
float tsad_tail_level(const tsad_tail *tail, float risk, float excess, float gap);
int tsad_tail_is_right(const tsad_tail *tail, float risk);

/* The score must be finite. */
void tsad_highest_add(tsad_highest *h, float score);

/* 1, or 0 and *tail as it was: the scores, 500 to 3249 of them, make no tail, or this is no risk of a tail. */
int tsad_tail_learn(const tsad_highest *h, float risk, tsad_tail *tail);

/* Mean, and sum of squares about it, of the `count` values so far, the last one included (Welford 1962). */
void tsad_moments_add(float value, uint32_t count, float *mean, float *squares);
float tsad_deviation(float squares, uint32_t count);

#endif
