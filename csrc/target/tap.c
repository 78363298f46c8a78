/*
 * tap.c - joins a model library that is built with taps (TSAD_TAP_ON): hands every operator's output to one listener.
 *
 * For finding out where two builds part. It has a writable global, one listener a library, so it is in no product.
 */
#include <stddef.h>
#include <stdint.h>

/* `count` values of `width` bytes: 4 are a float, 2 an s16 */
typedef void tap_fn(int32_t id, const void *data, size_t count, size_t width);

__attribute__((visibility("default"))) void tsad_tap_to(tap_fn *sink);
void tsad_tap(int32_t id, const void *data, size_t count, size_t width);

static tap_fn *listener;

/* From now on `sink` hears every operator of this library; NULL: nobody does. */
void tsad_tap_to(tap_fn *sink) { listener = sink; }

void tsad_tap(int32_t id, const void *data, size_t count, size_t width) {
    if (listener != NULL)
        listener(id, data, count, width);
}
