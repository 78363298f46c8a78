/*
 * panels.c - the inner loop of integer matrix products on a Cortex-M with DSP instructions, such as M4 and M7.
 *
 * Of a word that holds four of a row's weights SXTB16 makes two pairs of s16, and SMLAD adds each pair's products with
 * a pair of values. In assembly, as gcc brings words one by one and has no register left. Sums are exact, so the bits
 * are those of kernels/panels.c. LDM wants addresses of words: weights are aligned, values may not be, and then come
 * by LDR.
 *
 * r4-r7 are the sums, r8-r9 four values, r10-lr the weights of four rows, r1 and r2 where values and weights are read.
 */
#include "kernels.h"

#define ROW(word, sum)                                                                                                 \
    "sxtb16 r0, " word "\n\tsmlad " sum ", r0, r8, " sum "\n\t"                                                        \
    "sxtb16 " word ", " word ", ror #8\n\tsmlad " sum ", " word ", r9, " sum "\n\t"
#define FOUR_COLUMNS(load_values)                                                                                      \
    load_values "ldmia r2!, {r10-r12, lr}\n\t" ROW("r10", "r4") ROW("r11", "r5") ROW("r12", "r6") ROW("lr", "r7")
#define ONE_ROW(sum) "ldrsb r8, [r2], #1\n\tsmlabb " sum ", r0, r8, " sum "\n\t"

/* Eight columns a round; an odd number of fours begins in the middle. What stays over comes column by column. */
#define PANELS(load_values)                                                                                            \
    __asm__ volatile(                                                                                                  \
        "ldr r2, %[w]\n"                                                                                               \
        "1:\n\tldr r0, %[b]\n\tldmia r0!, {r4-r7}\n\tstr r0, %[b]\n\t"                                                 \
        "ldr r1, %[x]\n\tldr r3, %[rounds]\n\tldr r0, %[odd]\n\tcbnz r0, 3f\n"                                         \
        "2:\n\t" FOUR_COLUMNS(load_values) "3:\n\t" FOUR_COLUMNS(                                                      \
            load_values) "subs r3, r3, #1\n\tbne 2b\n\t"                                                               \
                         "ldr r3, %[rest]\n\tcbz r3, 5f\n"                                                             \
                         "4:\n\tldrsh r0, [r1], #2\n\t" ONE_ROW("r4") ONE_ROW("r5") ONE_ROW("r6")                      \
                             ONE_ROW("r7") "subs r3, r3, #1\n\tbne 4b\n"                                               \
                                           "5:\n\tldr r0, %[acc]\n\tstmia r0!, {r4-r7}\n\tstr r0, %[acc]\n\t"          \
                                           "ldr r0, %[panels]\n\tsubs r0, r0, #1\n\tstr r0, %[panels]\n\tbne 1b"       \
        : [acc] "+m"(acc), [b] "+m"(b), [panels] "+m"(panels)                                                          \
        : [x] "m"(x), [w] "m"(w), [rounds] "m"(rounds), [odd] "m"(odd), [rest] "m"(rest)                               \
        : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory")

/* For fewer than four columns: one by one. */
static void add_narrow(size_t panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b, int32_t *acc) {
    for (size_t p = 0; p < panels; p++, b += 4, acc += 4)
        for (size_t r = 0; r < 4; r++) {
            acc[r] = b[r];
            for (size_t i = 0; i < in; i++)
                acc[r] += x[i] * w[4 * (p * in + i) + r];
        }
}

void TSAD_K(add_panels_s8)(size_t panels, size_t in, const int16_t *x, const int8_t *w, const int32_t *b,
                           int32_t *acc) {
    const size_t rounds = (in + 4) / 8, odd = in & 4, rest = in % 4;
    if (rounds == 0)
        add_narrow(panels, in, x, w, b, acc);
    else if ((uintptr_t)x % 4 == 0)
        PANELS("ldmia r1!, {r8, r9}\n\t");
    else
        PANELS("ldr r8, [r1], #4\n\tldr r9, [r1], #4\n\t");
}
