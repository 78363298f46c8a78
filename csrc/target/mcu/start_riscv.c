/*
 * start_riscv.c - from reset to main on a RISC-V machine with floating point: stack, trap, memory, FPU.
 *
 * No interrupt is ever enabled: the firmware polls its line.
 */
#include "board.h"

void reset(void) __attribute__((naked, section(".vectors")));
void start(void);
void trap(void) __attribute__((aligned(4)));

/* mstatus.FS = 1: floating-point registers may be used. fcsr = 0: round to nearest. */
void reset(void) {
    __asm__ volatile(".option push\n\t"
                     ".option norelax\n\t"
                     "la gp, __global_pointer$\n\t"
                     ".option pop\n\t"
                     "la sp, _stack_top\n\t"
                     "la t0, trap\n\t"
                     "csrw mtvec, t0\n\t"
                     "li t0, 0x2000\n\t"
                     "csrs mstatus, t0\n\t"
                     "csrw fcsr, zero\n\t"
                     "j start");
}

void trap(void) { board_fail(); }

void start(void) {
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
