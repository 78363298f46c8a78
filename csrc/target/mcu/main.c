/*
 * main.c - the firmware: one model, its detector, and a serial line that asks for scores (frame.h).
 *
 * Compiled once per model with -DTSAD_MODEL=<C name>, -DTSAD_MODEL_UPPER=<C NAME> and -DTSAD_MODEL_HEADER="<C name>.h".
 */
#include "board.h"
#include "session.h"

#include TSAD_MODEL_HEADER

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define CHANNELS JOIN(TSAD_MODEL_UPPER, _CHANNELS)

static union {
    uint64_t align;
    unsigned char bytes[JOIN(TSAD_MODEL_UPPER, _MEMORY)];
} memory;
static tsad detector;
static float sample[CHANNELS];
static unsigned char question[FRAME_AROUND + FRAME_LARGEST_QUESTION(CHANNELS)];
static session line;

static uint32_t stack_used(void) {
    const uint32_t *at = _stack_bottom;
    while (at < _stack_top && *at == BOARD_UNUSED_STACK)
        at++;
    return (uint32_t)((uintptr_t)_stack_top - (uintptr_t)at);
}

int main(void) {
    board_start();
    line.model = &TSAD_MODEL;
    line.config = &JOIN(TSAD_MODEL, _config);
    line.detector = &detector;
    line.memory = &memory;
    line.memory_size = sizeof memory;
    line.sample = sample;
    line.reader.room = question;
    line.reader.size = sizeof question;
    line.put = board_write;
    line.stack_used = stack_used;
    for (;;) {
        session_take(&line, board_read());
        board_light(detector.open);
    }
}
