/* mps2.c - ARM's MPS2 board as QEMU has it (mps2-an386, mps2-an500): a UART of CMSDK, and an end by semihosting. */
#include "board.h"

enum { SYS_EXIT_EXTENDED = 0x20, RUN_TIME_ERROR = 0x20023 };

#define UART 0x40004000u
#define DATA BOARD_REGISTER(UART + 0x00u)
#define STATE BOARD_REGISTER(UART + 0x04u)   /* bit 0: no room to send, bit 1: a byte has come */
#define CONTROL BOARD_REGISTER(UART + 0x08u) /* bit 0: send, bit 1: receive */
#define DIVIDER BOARD_REGISTER(UART + 0x10u)
#define CLOCK 25000000u

void board_start(void) {
    DIVIDER = CLOCK / BOARD_BAUD;
    CONTROL = 3;
}

unsigned char board_read(void) {
    while ((STATE & 2u) == 0)
        ;
    return (unsigned char)DATA;
}

void board_write(unsigned char byte) {
    while ((STATE & 1u) != 0)
        ;
    DATA = byte;
}

void board_light(int on) { (void)on; }

void board_fail(void) {
    static const uint32_t reason[2] = {RUN_TIME_ERROR, 1};
    register uint32_t operation __asm__("r0") = SYS_EXIT_EXTENDED;
    register const uint32_t *parameters __asm__("r1") = reason;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(parameters) : "memory");
    for (;;)
        ;
}
