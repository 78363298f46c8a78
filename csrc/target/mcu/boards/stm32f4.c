/*
 * stm32f4.c - STM32F4: USART2 on PA2 and PA3, which a Nucleo's ST-Link shows as a serial port, and its light on PA5.
 *
 * The clock is 84 MHz from the internal oscillator by the PLL, which every F4 can do. Where the PLL does not come up
 * (QEMU's netduinoplus2 has none), it stays at the oscillator's 16 MHz. After RM0383 and RM0090.
 */
#include "board.h"

#define RCC 0x40023800u
#define RCC_CR BOARD_REGISTER(RCC + 0x00u)
#define RCC_PLLCFGR BOARD_REGISTER(RCC + 0x04u)
#define RCC_CFGR BOARD_REGISTER(RCC + 0x08u)
#define RCC_AHB1ENR BOARD_REGISTER(RCC + 0x30u)
#define RCC_APB1ENR BOARD_REGISTER(RCC + 0x40u)
#define FLASH_ACR BOARD_REGISTER(0x40023c00u)
#define GPIOA 0x40020000u
#define GPIOA_MODER BOARD_REGISTER(GPIOA + 0x00u)
#define GPIOA_BSRR BOARD_REGISTER(GPIOA + 0x18u)
#define GPIOA_AFRL BOARD_REGISTER(GPIOA + 0x20u)
#define USART2 0x40004400u
#define USART2_SR BOARD_REGISTER(USART2 + 0x00u)
#define USART2_DR BOARD_REGISTER(USART2 + 0x04u)
#define USART2_BRR BOARD_REGISTER(USART2 + 0x08u)
#define USART2_CR1 BOARD_REGISTER(USART2 + 0x0cu)

enum { LIGHT = 5, PATIENCE = 100000 };

/* 1 when a bit of RCC_CR was set in time. */
static int comes_up(uint32_t bit) {
    for (int i = 0; i < PATIENCE; i++)
        if (RCC_CR & bit)
            return 1;
    return 0;
}

/* Clock of USART2 in Hz. */
static uint32_t start_clock(void) {
    const uint32_t oscillator = 16000000u;
    FLASH_ACR = 1u << 10 | 1u << 9 | 1u << 8 | 2u;       /* caches, prefetch, 2 wait states */
    RCC_PLLCFGR = 7u << 24 | 1u << 16 | 336u << 6 | 16u; /* 16 MHz / 16 * 336 / 4 = 84 MHz */
    RCC_CR |= 1u << 24;                                  /* PLL on */
    if (!comes_up(1u << 25))
        return oscillator;
    RCC_CFGR = 4u << 10; /* APB1 at half the clock */
    RCC_CFGR |= 2u;      /* the clock is the PLL */
    while ((RCC_CFGR & 0xcu) != 0x8u)
        ;
    return 42000000u;
}

void board_start(void) {
    const uint32_t clock = start_clock();
    RCC_AHB1ENR |= 1u;                              /* GPIOA */
    RCC_APB1ENR |= 1u << 17;                        /* USART2 */
    (void)RCC_APB1ENR;                              /* a read back waits until the clocks are there */
    GPIOA_AFRL = (GPIOA_AFRL & ~0xff00u) | 0x7700u; /* PA2 and PA3: function 7 */
    GPIOA_MODER = (GPIOA_MODER & ~0x0cf0u) | 1u << 2 * LIGHT | 2u << 4 | 2u << 6; /* PA5 output, PA2 and PA3 function */
    USART2_BRR = (clock + BOARD_BAUD / 2) / BOARD_BAUD;
    USART2_CR1 = 1u << 13 | 1u << 3 | 1u << 2; /* on, send, receive */
}

/* An overrun loses a byte; reading state and data clears it, and the protocol asks again. */
unsigned char board_read(void) {
    while ((USART2_SR & 1u << 5) == 0)
        ;
    return (unsigned char)USART2_DR;
}

void board_write(unsigned char byte) {
    while ((USART2_SR & 1u << 7) == 0)
        ;
    USART2_DR = byte;
}

void board_light(int on) { GPIOA_BSRR = on ? 1u << LIGHT : 1u << (LIGHT + 16); }

void board_fail(void) {
    for (volatile uint32_t i = 0;; i++)
        board_light((i >> 18) & 1u);
}
