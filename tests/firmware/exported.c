/* exported.c - runs the example of an exported folder on a board, and says on its line what the example returns. */
#include "board.h"

int example(void);

int main(void) {
    board_start();
    board_write((unsigned char)('0' + example()));
    board_write('\n');
    for (;;)
        ;
}
