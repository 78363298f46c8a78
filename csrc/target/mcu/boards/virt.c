/* virt.c - QEMU's RISC-V machine `virt`: a UART like the NS16550, and an end by its test device. */
#include "board.h"

#define UART 0x10000000u
#define BYTE_REGISTER(address) (*(volatile unsigned char *)(uintptr_t)(address))
#define DATA BYTE_REGISTER(UART + 0)
#define LINE_CONTROL BYTE_REGISTER(UART + 3)
#define LINE_STATE BYTE_REGISTER(UART + 5) /* bit 0: a byte has come, bit 5: room to send */
#define TEST_DEVICE BOARD_REGISTER(0x00100000u)
#define TEST_FAILED 0x3333u /* the exit code stands above it */

void board_start(void) { LINE_CONTROL = 3; /* 8 bits; QEMU's line has no speed */ }

unsigned char board_read(void) {
    while ((LINE_STATE & 1u) == 0)
        ;
    return DATA;
}

void board_write(unsigned char byte) {
    while ((LINE_STATE & 0x20u) == 0)
        ;
    DATA = byte;
}

void board_light(int on) { (void)on; }

void board_fail(void) {
    TEST_DEVICE = 1u << 16 | TEST_FAILED;
    for (;;)
        ;
}
