/*
 * What attention takes besides layers, in integers: products of computed matrices, softmax and normalised rows, on
 * several windows with gaps between them. Products against 64 bits, the others against double arithmetic.
 */
#include "integers.h"

static void products(size_t in, const size_t as[3], const size_t bs[3], int sum_shift) {
    enum { COUNT = 2, MATRIX_ROWS = 3, OUT = 4, X_PITCH = 211, H_PITCH = 223, Y_PITCH = COUNT * MATRIX_ROWS * OUT + 2 };
    fill((uint32_t)(1 + in));
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t i = 0; i < COUNT * MATRIX_ROWS * OUT; i++) {
            const size_t c = i / (MATRIX_ROWS * OUT), row = i / OUT % MATRIX_ROWS, o = i % OUT;
            int64_t sum = 0;
            for (size_t j = 0; j < in; j++)
                sum += x[k * X_PITCH + c * as[0] + row * as[1] + j * as[2]] *
                       h[k * H_PITCH + c * bs[0] + j * bs[1] + o * bs[2]];
            const int32_t value = requantised(down(sum + (((int64_t)1 << sum_shift) >> 1), sum_shift), m[0][0], 9);
            expected[k * Y_PITCH + i] = (int16_t)(value < -5000 ? -5000 : value > 5000 ? 5000 : value);
        }
    TSAD_K(bmm_s16)
    (WINDOWS, COUNT, MATRIX_ROWS, in, OUT, x, X_PITCH, as, h, H_PITCH, bs, sum_shift, m[0][0], 9, 5000, y, Y_PITCH);
    compare("bmm_s16");
}

/* Of x / 2^7. */
static void softmax(size_t outer, size_t reduced, size_t inner) {
    const size_t pitch = outer * reduced * inner + 1;
    const double unit = ldexp(1.0, -7);
    fill((uint32_t)(3 + reduced));
    const double wanted = unit / log(2.0) * 65536.0; /* x becomes x * m / 2^(19 + shift) */
    int by = 1;
    while (wanted * ldexp(1.0, 19 + by) < 1073741824.0)
        by++;
    TSAD_K(softmax_s16)
    (WINDOWS, outer, reduced, inner, (int32_t)(wanted * ldexp(1.0, 19 + by)), by, x, pitch, y, pitch);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t i = 0; i < outer * inner; i++) {
            const size_t at = k * pitch + i / inner * reduced * inner + i % inner;
            double most = -1e9, sum = 0.0;
            for (size_t j = 0; j < reduced; j++)
                most = fmax(most, x[at + j * inner] * unit);
            for (size_t j = 0; j < reduced; j++)
                sum += exp(x[at + j * inner] * unit - most);
            for (size_t j = 0; j < reduced; j++) {
                const double share = 32768.0 * exp(x[at + j * inner] * unit - most) / sum;
                CHECK(fabs(y[at + j * inner] - fmin(share, 32767.0)) <= 4.0);
            }
        }
    for (size_t k = 1; k < WINDOWS; k++)
        CHECK(y[k * pitch - 1] == UNTOUCHED);
}

static void normalise(size_t width, int centred, int size) {
    enum { LINES = 2 };
    const size_t pitch = LINES * width + 1;
    const int magnitude = (int)ceil(log2(sqrt((double)width)) + 1e-9);
    const uint64_t eps = width * width;
    fill((uint32_t)(5 + width));
    for (size_t i = 0; i < ROOM; i++)
        x[i] = (int16_t)(size == 0 ? 7 : x[i] * size / 3000);
    TSAD_K(normalise_s16)(WINDOWS, LINES, width, centred, eps, magnitude, x, pitch, y, pitch);
    for (size_t k = 0; k < WINDOWS; k++)
        for (size_t row = 0; row < LINES; row++) {
            const int16_t *from = x + k * pitch + row * width, *to = y + k * pitch + row * width;
            double mean = 0.0, squares = 0.0;
            for (size_t i = 0; centred && i < width; i++)
                mean += (double)from[i] / (double)width;
            for (size_t i = 0; i < width; i++)
                squares += (from[i] - mean) * (from[i] - mean) / (double)width;
            for (size_t i = 0; i < width; i++)
                CHECK(fabs(to[i] - ldexp((from[i] - mean) / sqrt(squares + 1.0), 15 - magnitude)) <= 2.0);
        }
    for (size_t k = 1; k < WINDOWS; k++)
        CHECK(y[k * pitch - 1] == UNTOUCHED);
}

int main(void) {
    static const size_t widths[] = {2, 3, 8, 33, 512}, counts[] = {1, 2, 7, 60};
    for (size_t in = 1; in < 9; in += 3) {
        products(in, (const size_t[3]){3 * in, in, 1}, (const size_t[3]){4 * in, 4, 1}, 0);
        products(in, (const size_t[3]){1, 2, 7}, (const size_t[3]){4 * in, 1, in}, 3);
    }
    for (size_t i = 0; i < 4; i++) {
        softmax(2, counts[i], 1);
        softmax(1, counts[i], 3);
    }
    for (size_t i = 0; i < 5; i++)
        for (int centred = 0; centred < 2; centred++)
            for (int size = 0; size < 30000; size = size * 8 + 5)
                normalise(widths[i], centred, size);
    return check_result();
}
