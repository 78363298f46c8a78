/* stdio_board.c - a board that is this machine: its line is standard input and output, whose end ends the program. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>

void board_start(void) {}

unsigned char board_read(void) {
    const int byte = getchar();
    if (byte == EOF)
        exit(0);
    return (unsigned char)byte;
}

void board_write(unsigned char byte) { putchar(byte); }
