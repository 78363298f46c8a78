/*
 * start_cortexm.c - from reset to main on a Cortex-M with a floating-point unit: vector table, memory, FPU.
 *
 * No interrupt is ever enabled: the firmware polls its line.
 */
#include "start.h"

#define CPACR BOARD_REGISTER(0xe000ed88u) /* access to coprocessors 10 and 11, which are the FPU */

void reset(void);

void reset(void) {
    CPACR |= 0xfu << 20;
    __asm__ volatile("dsb\n\tisb");
    start_program();
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
