/*
 * tap.c - joins a model library that is built with taps (TSAD_TAP_ON): hands every operator's output to one listener.
 *
 * For finding out where two builds part. It has a writable global, one listener a library, so it is in no product.
 */
#include <stddef.h>
#include <stdint.h>

typedef void tap_fn(int32_t id, const float *data, size_t count);

__attribute__((visibility("default"))) void tsad_tap_to(tap_fn *sink);
void tsad_tap(int32_t id, const float *data, size_t count);

static tap_fn *listener;

/* From now on `sink` hears every operator of this library; NULL: nobody does. */
void tsad_tap_to(tap_fn *sink) { listener = sink; }

void tsad_tap(int32_t id, const float *data, size_t count) {
    if (listener != NULL)
        listener(id, data, count);
}
