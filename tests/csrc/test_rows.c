/*
 * Kernels that work along an axis - extremes, products, running sums, variances, norms, softmax - and choices, on
 * several windows with gaps between them, against double arithmetic.
 */
#include "functions.h"
#include "kernels.h"

#include "check.h"

#include <math.h>

enum { ROOM = 4000, WINDOWS = 3 };
static float x[ROOM], y[ROOM], again[ROOM], w[64], b[64];
static const float UNTOUCHED = 12345.0f;

static void fill(uint32_t seed, float size, float offset) {
    for (size_t i = 0; i < ROOM; i++) {
        x[i] = offset + size * noise(&seed);
        y[i] = UNTOUCHED;
    }
    for (size_t i = 0; i < 64; i++) {
        w[i] = noise(&seed);
        b[i] = noise(&seed);
    }
}

static int near(float value, double exact, double allowed) { return fabs((double)value - exact) <= allowed; }

/* Mean and mean square of `count` elements, `step` apart, from their mean or from 0. */
static double moments(const float *from, size_t count, size_t step, int centred, double *mean) {
    double sum = 0.0, squares = 0.0;
    for (size_t k = 0; k < count; k++)
        sum += (double)from[k * step];
    *mean = centred ? sum / (double)count : 0.0;
    for (size_t k = 0; k < count; k++)
        squares += ((double)from[k * step] - *mean) * ((double)from[k * step] - *mean);
    return squares / (double)count;
}

static void along(size_t outer, size_t reduced, size_t inner, float size, float offset) {
    const size_t in_pitch = outer * reduced * inner + 1, out_pitch = outer * inner + 2;
    float *least = y, *product = y + 1000, *variance = y + 2000, *running = y + 3000;
    fill((uint32_t)(7 + reduced + inner), size, offset);
    TSAD_K(min_f32)(WINDOWS, outer, reduced, inner, x, in_pitch, least, out_pitch);
    TSAD_K(prod_f32)(WINDOWS, outer, reduced, inner, x, in_pitch, product, out_pitch);
    TSAD_K(var_f32)(WINDOWS, outer, reduced, inner, 1.0f / (float)reduced, x, in_pitch, variance, out_pitch);
    TSAD_K(cumsum_f32)(WINDOWS, outer, reduced, inner, x, in_pitch, running, in_pitch);
    for (size_t k = 0; k < WINDOWS; k++) {
        for (size_t i = 0; i < outer * inner; i++) {
            const size_t at = k * out_pitch + i, start = k * in_pitch + i / inner * reduced * inner + i % inner;
            const float *from = x + start;
            double mean, smallest = (double)from[0], all = 1.0, sum = 0.0, magnitude = 0.0;
            const double spread = moments(from, reduced, inner, 1, &mean);
            for (size_t r = 0; r < reduced; r++) {
                smallest = fmin(smallest, (double)from[r * inner]);
                all *= (double)from[r * inner];
                sum += (double)from[r * inner];
                magnitude += fabs((double)from[r * inner]);
                CHECK(near(running[start + r * inner], sum, 1e-7 * (double)(r + 1) * magnitude));
            }
            CHECK((double)least[at] == smallest);
            CHECK(near(product[at], all, 1e-7 * (double)reduced * fabs(all)));
            CHECK(near(variance[at], spread, 6e-8 * (double)(reduced + 8) * spread + 1e-12 * mean * mean));
        }
        CHECK(least[k * out_pitch + outer * inner] == UNTOUCHED && product[k * out_pitch + outer * inner] == UNTOUCHED);
        CHECK(variance[k * out_pitch + outer * inner] == UNTOUCHED &&
              running[k * in_pitch + in_pitch - 1] == UNTOUCHED);
    }
}

static void normalise(size_t rows, size_t width, int centred, int affine, float size, float offset) {
    const size_t pitch = rows * width + 3;
    const float eps = 1e-5f, *weight = affine ? w : NULL, *bias = affine ? b : NULL;
    fill((uint32_t)(3 * width), size, offset);
    TSAD_K(normalise_f32)(WINDOWS, rows, width, centred, eps, x, pitch, weight, bias, y, pitch);
    for (size_t k = 0; k < WINDOWS; k++) {
        for (size_t i = 0; i < rows * width; i++) {
            double mean;
            const double spread = moments(x + k * pitch + i / width * width, width, 1, centred, &mean);
            double want = ((double)x[k * pitch + i] - mean) / sqrt(spread + (double)eps);
            if (affine)
                want = want * (double)w[i % width] + (double)b[i % width];
            CHECK(near(y[k * pitch + i], want, 6e-8 * (double)(width + 16) * (1.0 + fabs(want))));
        }
        CHECK(y[k * pitch + rows * width] == UNTOUCHED);
    }
    memcpy(again, x, sizeof x); /* in place, and one window alone: the same bits */
    TSAD_K(normalise_f32)(1, rows, width, centred, eps, again + pitch, 0, weight, bias, again + pitch, 0);
    CHECK(same_bits(again + pitch, y + pitch, rows * width));
}

static void softmax(size_t outer, size_t reduced, size_t inner, int logs, float size) {
    const size_t pitch = outer * reduced * inner + 1;
    fill((uint32_t)(5 * reduced), size, 0.0f);
    TSAD_K(softmax_f32)(WINDOWS, outer, reduced, inner, logs, x, pitch, y, pitch);
    for (size_t k = 0; k < WINDOWS; k++) {
        for (size_t i = 0; i < outer * inner; i++) {
            const size_t start = k * pitch + i / inner * reduced * inner + i % inner;
            double most = -INFINITY, sum = 0.0;
            for (size_t r = 0; r < reduced; r++)
                most = fmax(most, (double)x[start + r * inner]);
            for (size_t r = 0; r < reduced; r++)
                sum += exp((double)x[start + r * inner] - most);
            for (size_t r = 0; r < reduced; r++) {
                const double depth = (double)x[start + r * inner] - most, share = exp(depth) / sum;
                const double allowed = 6e-8 * (double)(reduced + 12) * (1.0 - depth);
                if (logs)
                    CHECK(near(y[start + r * inner], depth - log(sum), allowed));
                else
                    CHECK(near(y[start + r * inner], share, allowed * share + 1e-38));
            }
        }
        CHECK(y[k * pitch + outer * reduced * inner] == UNTOUCHED);
    }
    memcpy(again, x, sizeof x);
    TSAD_K(softmax_f32)(1, outer, reduced, inner, logs, again + pitch, 0, again + pitch, 0);
    CHECK(same_bits(again + pitch, y + pitch, pitch - 1));
}

static void not_a_number(void) {
    for (size_t at = 0; at < 7; at++) {
        fill(8, 1.0f, 0.0f);
        x[at] = NAN;
        TSAD_K(softmax_f32)(1, 1, 7, 1, 0, x, 0, y, 0);
        TSAD_K(softmax_f32)(1, 1, 7, 1, 1, x, 0, y + 7, 0);
        TSAD_K(normalise_f32)(1, 1, 7, 1, 0.0f, x, 0, NULL, NULL, y + 14, 0);
        for (size_t i = 0; i < 21; i++)
            CHECK(isnan(y[i]));
    }
}

/* What a mask hides has no share, whatever the others are. */
static void masked(void) {
    static const float hidden = -3.4028235e38f;
    const float rows[3][4] = {{0.5f, hidden, 0.5f + hidden, hidden},
                              {-1e30f, hidden, -1e30f, -INFINITY},
                              {-3e38f, -3e38f + hidden, -3e38f, 3e38f}};
    TSAD_K(softmax_f32)(1, 3, 4, 1, 0, rows[0], 0, y, 0);
    CHECK(y[0] == 1.0f && y[1] == 0.0f && y[2] == 0.0f && y[3] == 0.0f);
    CHECK(y[4] == 0.5f && y[5] == 0.0f && y[6] == 0.5f && y[7] == 0.0f);
    CHECK(y[8] == 0.0f && y[9] == 0.0f && y[10] == 0.0f && y[11] == 1.0f);
}

static void choices(void) {
    static const size_t d[3] = {2, 3, 4}, dense[3] = {12, 4, 1}, repeated[3] = {0, 4, 1}, turned[3] = {1, 2, 6};
    fill(9, 1.0f, 0.0f);
    for (size_t i = 0; i < 60; i++)
        again[i] = i % 3 == 0 ? 0.0f : i % 3 == 1 ? 1.0f : NAN;
    TSAD_K(where_f32)(2, d, again, 25, turned, x, 0, repeated, x + 100, 24, dense, y, 26);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < 24; i++) {
            const size_t i0 = i / 12, i1 = i / 4 % 3, i2 = i % 4;
            const int first = (k * 25 + i0 + i1 * 2 + i2 * 6) % 3 != 0;
            CHECK(y[k * 26 + i] == (first ? x[i1 * 4 + i2] : x[100 + k * 24 + i]));
        }
    CHECK(y[24] == UNTOUCHED && y[50] == UNTOUCHED);
}

int main(void) {
    along(1, 1, 1, 1.0f, 0.0f);
    along(2, 5, 3, 1.0f, 0.0f);
    along(3, 17, 1, 2.0f, 0.5f);
    along(2, 8, 4, 0.01f, 100.0f);
    for (int centred = 0; centred < 2; centred++)
        for (int affine = 0; affine < 2; affine++) {
            normalise(1, 1, centred, affine, 1.0f, 0.0f);
            normalise(3, 7, centred, affine, 1.0f, 0.0f);
            normalise(2, 64, centred, affine, 30.0f, -5.0f);
        }
    normalise(2, 48, 1, 1, 0.01f, 1000.0f); /* almost equal numbers */
    normalise(2, 48, 1, 0, 0.0f, 1000.1f);  /* equal ones */
    for (int logs = 0; logs < 2; logs++) {
        softmax(1, 1, 1, logs, 1.0f);
        softmax(3, 9, 1, logs, 5.0f);
        softmax(2, 5, 4, logs, 100.0f);
    }
    not_a_number();
    masked();
    choices();
    return check_result();
}
