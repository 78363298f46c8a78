/*
 * start_riscv.c - from reset to main on a RISC-V machine with floating point: stack, trap, memory, FPU.
 *
 * No interrupt is ever enabled: the firmware polls its line.
 */
#include "start.h"

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

void start(void) { start_program(); }
