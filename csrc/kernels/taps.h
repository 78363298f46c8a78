/*
 * taps.h - which taps of a sliding kernel fall on real steps and not into the padding: those from first to last (not
 * included). An output's first tap is at `at`, counted from the first of the `before` steps of padding.
 */
#ifndef TSAD_TAPS_H
#define TSAD_TAPS_H

#include <stddef.h>

static inline size_t tsad_first_tap(size_t at, size_t dilation, size_t before) {
    return at < before ? (before - at + dilation - 1) / dilation : 0;
}

static inline size_t tsad_last_tap(size_t at, size_t steps, size_t taps, size_t dilation, size_t before) {
    if (at + (taps - 1) * dilation < before + steps)
        return taps;
    return before + steps > at ? (before + steps - at + dilation - 1) / dilation : 0;
}

#endif
