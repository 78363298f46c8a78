/*
 * start_cortexm.c - from reset to main on a Cortex-M with a floating-point unit: vector table, memory, FPU.
 *
 * No interrupt is ever enabled: the firmware polls its line.
 */
#include "board.h"

#define CPACR BOARD_REGISTER(0xe000ed88u) /* access to coprocessors 10 and 11, which are the FPU */

void reset(void);

void reset(void) {
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n\tisb");
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

static void fault(void) { board_fail(); }

typedef union vector {
    const uint32_t *stack;
    void (*handler)(void);
} vector;

/* The processor's own 16 entries; those of a chip's interrupts would follow. */
__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = _stack_top}, {.handler = reset}, {.handler = fault}, /* NMI */
    {.handler = fault}, /* hard fault, which the next three become, too, as nobody enables them */
    {.handler = fault},    {.handler = fault}, {.handler = fault},
};
