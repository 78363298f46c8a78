/*
 * lines.c - the sums of all matrix products on a Cortex-M with a floating-point unit, such as M4F and M7.
 *
 * 16 sums stay in registers while the inputs pass: VLDM brings the weights of an input, VMUL and VADD add its terms,
 * which takes a cycle less than VFMA and rounds products as every other target does. So the bits are those of
 * kernels/lines.c, from the same weights. In assembly, as gcc brings weights one by one.
 */
#include "kernels.h"

/* So many inputs are brought together where they lie apart. */
enum { TOGETHER = 32 };

#define MUL(n, x) "vmul.f32 s" #n ", s" #n ", " x "\n\t"
#define ADD(sum, n) "vadd.f32 s" #sum ", s" #sum ", s" #n "\n\t"
#define MUL_2(a, b, x) MUL(a, x) MUL(b, x)
#define ADD_2(a, b, m, n) ADD(a, m) ADD(b, n)

/* The terms of the input x for some sums: first all products, as what needs a result at once waits a cycle for it. */
#define LOAD(weights) "vldmia %[w]!, {" weights "}\n\t"
#define TERMS_1(x) LOAD("s16") MUL(16, x) ADD(0, 16)
#define TERMS_2(x) LOAD("s16-s17") MUL_2(16, 17, x) ADD_2(0, 1, 16, 17)
#define TERMS_4(x) LOAD("s16-s19") MUL_2(16, 17, x) MUL_2(18, 19, x) ADD_2(0, 1, 16, 17) ADD_2(2, 3, 18, 19)
#define MUL_8(x) LOAD("s16-s23") MUL_2(16, 17, x) MUL_2(18, 19, x) MUL_2(20, 21, x) MUL_2(22, 23, x)
#define TERMS_8(x) MUL_8(x) ADD_2(0, 1, 16, 17) ADD_2(2, 3, 18, 19) ADD_2(4, 5, 20, 21) ADD_2(6, 7, 22, 23)
#define NEXT_8(x) MUL_8(x) ADD_2(8, 9, 16, 17) ADD_2(10, 11, 18, 19) ADD_2(12, 13, 20, 21) ADD_2(14, 15, 22, 23)
#define TERMS_16(x) TERMS_8(x) NEXT_8(x)
#define NEXT_ROW "add %[w], %[w], %[skip]\n\t"

/* Two inputs a round; an odd number of them begins in the middle. */
#define BEGIN(sums) "vldmia %[from], " sums "\n\tlsrs %[in], %[in], #1\n\tbcc 1f\n\t"
#define ENTER_MIDDLE "adds %[in], %[in], #1\n\tvldmia %[x]!, {s25}\n\tb 2f\n"
#define ROUND(terms) "1:\n\tvldmia %[x]!, {s24-s25}\n\t" terms("s24") NEXT_ROW "2:\n\t" terms("s25") NEXT_ROW
#define END(sums) "subs %[in], %[in], #1\n\tbne 1b\n\tvstmia %[y], " sums

/* Defines y (width) = from + x (in) . w (in, width), where rows of w are `row` apart. */
#define DEFINE_PANEL(width, sums)                                                                                      \
    static inline void add_##width(size_t in, const float *x, const float *w, size_t row, const float *from,           \
                                   float *y) {                                                                         \
        __asm__ volatile(BEGIN(sums) ENTER_MIDDLE ROUND(TERMS_##width) END(sums)                                       \
                         : [in] "+r"(in), [x] "+r"(x), [w] "+r"(w)                                                     \
                         : [from] "r"(from), [y] "r"(y), [skip] "r"(4 * (row - width))                                 \
                         : "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",     \
                           "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "cc",   \
                           "memory");                                                                                  \
    }

DEFINE_PANEL(16, "{s0-s15}")
DEFINE_PANEL(8, "{s0-s7}")
DEFINE_PANEL(4, "{s0-s3}")
DEFINE_PANEL(2, "{s0-s1}")
DEFINE_PANEL(1, "{s0}")

/* y (out) = from + x (in) . w (in, out) */
static void add_line(size_t in, size_t out, const float *x, const float *w, size_t row, const float *from, float *y) {
    size_t o = 0;
    for (; o + 16 <= out; o += 16)
        add_16(in, x, w + o, row, from + o, y + o);
    if (out & 8) {
        add_8(in, x, w + o, row, from + o, y + o);
        o += 8;
    }
    if (out & 4) {
        add_4(in, x, w + o, row, from + o, y + o);
        o += 4;
    }
    if (out & 2) {
        add_2(in, x, w + o, row, from + o, y + o);
        o += 2;
    }
    if (out & 1)
        add_1(in, x, w + o, row, from + o, y + o);
}

void TSAD_K(add_lines_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                           size_t row, const float *b, float *const *y) {
    for (size_t l = 0; l < lines; l++) {
        const float *from = b != NULL ? b : y[l];
        float near[TOGETHER];
        if (step == 1) {
            add_line(in, out, x[l], w, row, from, y[l]);
            continue;
        }
        for (size_t i = 0; i < in; i += TOGETHER, from = y[l]) {
            const size_t count = in - i < TOGETHER ? in - i : (size_t)TOGETHER;
            for (size_t k = 0; k < count; k++)
                near[k] = x[l][(i + k) * step];
            add_line(count, out, near, w + i * row, row, from, y[l]);
        }
    }
}
