/*
 * registers.c - a board's driver on this machine: the chip's registers are plain memory at their own addresses.
 *
 * Reads lines "ADDRESS VALUE", what is there before. Prints "when ADDRESS VALUE" of each after the start, with the
 * light on, with it off, and after a byte was sent; and which byte was received.
 */
#define _GNU_SOURCE
#include "board.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

enum { PAGE = 4096, MOST = 32 };
#define F4_CLOCK 0x40023808u

static unsigned addresses[MOST];
static int count;

/* The one thing that a driver waits for and plain memory does not do: an STM32F4 follows the choice of its clock. */
static void *chip(void *nothing) {
    for (;;)
        if ((BOARD_REGISTER(F4_CLOCK) & 3u) == 2)
            BOARD_REGISTER(F4_CLOCK) |= 2u << 2;
    return nothing;
}

/* Fails where the page is there already. */
static void map(unsigned address) {
    const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    (void)mmap((void *)(uintptr_t)(address / PAGE * PAGE), PAGE, PROT_READ | PROT_WRITE, how, -1, 0);
}

static void print(const char *when) {
    for (int i = 0; i < count; i++)
        printf("%s %#x %#x\n", when, addresses[i], (unsigned)BOARD_REGISTER(addresses[i]));
}

int main(void) {
    pthread_t thread;
    unsigned value;
    map(F4_CLOCK);
    while (count < MOST && scanf("%x %x", &addresses[count], &value) == 2) {
        map(addresses[count]);
        BOARD_REGISTER(addresses[count++]) = value;
    }
    if (pthread_create(&thread, NULL, chip, NULL) != 0)
        return 1;
    board_start();
    print("start");
    board_light(1);
    print("on");
    board_light(0);
    print("off");
    board_write('A');
    print("sent");
    printf("received %#x\n", board_read());
    return 0;
}
