/*
 * start.h - the end of every start file: memory as C wants it, and main. What comes before is the processor's business.
 */
#ifndef TSAD_START_H
#define TSAD_START_H

#include "board.h"

/* Inline, so that the frame is that of the caller, which never returns. */
static inline __attribute__((always_inline)) void start_program(void) {
    /* What lies under this function's own frame; a few words of it may count as used. */
    for (uint32_t *at = _stack_bottom; at < (uint32_t *)__builtin_frame_address(0) - 16; at++)
        *at = BOARD_UNUSED_STACK;
    const uint32_t *from = _data_in_flash;
    for (uint32_t *at = _data_start; at < _data_end; at++)
        *at = *from++;
    for (uint32_t *at = _bss_start; at < _bss_end; at++)
        *at = 0;
    main();
    board_fail();
}

#endif
