/*
 * board.h - what a firmware wants of a board: to start, bytes of one serial line, a light, and an end.
 *
 * One file in boards/ for each kind of board; which boards there are, with their memory, is boards.json.
 */
#ifndef TSAD_BOARD_H
#define TSAD_BOARD_H

#include <stdint.h>

/* Bits a second of the line, 8 bits, no parity, 1 stop bit. */
#define BOARD_BAUD 115200u

/* Clock, line and light. Called once, before all else. */
void board_start(void);

/* The next byte of the line; waits for it. */
unsigned char board_read(void);

/* Sends a byte; waits until there is room for it. */
void board_write(unsigned char byte);

/* The light, where there is one: on while an event goes on. */
void board_light(int on);

/* Something that must not happen did: does not return. */
void board_fail(void) __attribute__((noreturn));

/* What a start file fills the stack with, to see later how much of it was used. */
#define BOARD_UNUSED_STACK 0x5aa5c33cu

/* From the linker script. */
extern uint32_t _stack_bottom[], _stack_top[], _data_start[], _data_end[], _data_in_flash[], _bss_start[], _bss_end[];

/* A register of the chip. */
#define BOARD_REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))

int main(void);

#endif
