/*
 * stm32h7.c - STM32H7A3: USART3 on PD8 and PD9, which a Nucleo-144's ST-Link shows as a serial port, and its green
 * light on PB0.
 *
 * The clock stays the internal oscillator's 64 MHz, which needs neither the regulator nor wait states set. After
 * RM0455.
 */
#include "board.h"

#define RCC 0x58024400u
#define RCC_AHB4ENR BOARD_REGISTER(RCC + 0x140u)
#define RCC_APB1LENR BOARD_REGISTER(RCC + 0x148u)
#define GPIOB 0x58020400u
#define GPIOB_MODER BOARD_REGISTER(GPIOB + 0x00u)
#define GPIOB_BSRR BOARD_REGISTER(GPIOB + 0x18u)
#define GPIOD 0x58020c00u
#define GPIOD_MODER BOARD_REGISTER(GPIOD + 0x00u)
#define GPIOD_AFRH BOARD_REGISTER(GPIOD + 0x24u)
#define USART3 0x40004800u
#define USART3_CR1 BOARD_REGISTER(USART3 + 0x00u)
#define USART3_BRR BOARD_REGISTER(USART3 + 0x0cu)
#define USART3_ISR BOARD_REGISTER(USART3 + 0x1cu)
#define USART3_ICR BOARD_REGISTER(USART3 + 0x20u)
#define USART3_RDR BOARD_REGISTER(USART3 + 0x24u)
#define USART3_TDR BOARD_REGISTER(USART3 + 0x28u)
#define CLOCK 64000000u

void board_start(void) {
    RCC_AHB4ENR |= 1u << 1 | 1u << 3;           /* GPIOB, GPIOD */
    RCC_APB1LENR |= 1u << 18;                   /* USART3 */
    (void)RCC_APB1LENR;                         /* a read back waits until the clocks are there */
    GPIOB_MODER = (GPIOB_MODER & ~3u) | 1u;     /* PB0 output */
    GPIOD_AFRH = (GPIOD_AFRH & ~0xffu) | 0x77u; /* PD8 and PD9: function 7 */
    GPIOD_MODER = (GPIOD_MODER & ~(0xfu << 16)) | 0xau << 16;
    USART3_BRR = (CLOCK + BOARD_BAUD / 2) / BOARD_BAUD;
    USART3_CR1 = 1u << 3 | 1u << 2 | 1u; /* send, receive, on */
}

/* An overrun loses a byte, and the protocol asks again. */
unsigned char board_read(void) {
    while ((USART3_ISR & 1u << 5) == 0)
        USART3_ICR = 1u << 3;
    return (unsigned char)USART3_RDR;
}

void board_write(unsigned char byte) {
    while ((USART3_ISR & 1u << 7) == 0)
        ;
    USART3_TDR = byte;
}

void board_light(int on) { GPIOB_BSRR = on ? 1u : 1u << 16; }

void board_fail(void) {
    for (volatile uint32_t i = 0;; i++)
        board_light((i >> 18) & 1u);
}
