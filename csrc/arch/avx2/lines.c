/*
 * lines.c - the sums of all matrix products on x86 with AVX2 and FMA.
 *
 * A tile of sums stays in registers while the inputs pass: of some lines, some vectors of eight outputs each. Products
 * are not rounded before they are added, so the bits are not those of kernels/lines.c. But what is added to what does
 * not depend on the number of lines: a window's score is the same in every batch.
 */
#include "kernels.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = 8,
    LINES = 4,      /* in a tile of many lines, */
    VECTORS = 3,    /* which has at most so many vectors a line; */
    MOST = 8,       /* in a tile of one line */
    PARTIAL = 4,    /* a few outputs are summed in so many parts, which do not wait for each other */
    AT_ONCE = 16,   /* lines that share weights while they are near */
    TOGETHER = 128, /* inputs that pass before the next tile, */
    FEWER = 8,      /* for one line where rows of weights are */
    LONG = 256
};

/* What stays the same throughout a block of inputs. */
typedef struct block {
    size_t in, step;
    const float *w;
    size_t row;
} block;

/* The first `count` lanes, at most all of them. */
INLINE __m256i first_lanes(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), lane);
}

INLINE __m256 load(const float *from, int last, __m256i lanes) {
    return last ? _mm256_maskload_ps(from, lanes) : _mm256_loadu_ps(from);
}

/*
 * y[l] (out) = from[l] + x[l] . w for `lines` lines and `vectors` vectors, of which the last one holds `rest` outputs.
 * In `parts` parts: every so many-th input is added to each, and in the end they are added in pairs.
 */
INLINE void add_tile(int lines, int vectors, int parts, const block *k, size_t rest, const float *const *x,
                     const float *const *from, float *const *y, size_t at) {
    const __m256i lanes = first_lanes(rest);
    const float *w = k->w;
    __m256 sum[LINES * MOST];
    for (int s = 0; s < lines * vectors * parts; s++)
        sum[s] = _mm256_setzero_ps();
    if (parts == 1)
        for (int l = 0; l < lines; l++)
            for (int v = 0; v < vectors; v++)
                sum[l * vectors + v] = load(from[l] + at + LANES * v, v == vectors - 1, lanes);
    size_t i = 0;
    for (; i + (size_t)parts <= k->in; i += (size_t)parts)
        for (int p = 0; p < parts; p++, w += k->row) {
            __m256 weights[MOST];
            for (int v = 0; v < vectors; v++)
                weights[v] = load(w + LANES * v, v == vectors - 1, lanes);
            for (int l = 0; l < lines; l++) {
                const __m256 value = _mm256_broadcast_ss(x[l] + (i + (size_t)p) * k->step);
                for (int v = 0; v < vectors; v++)
                    sum[(p * lines + l) * vectors + v] =
                        _mm256_fmadd_ps(value, weights[v], sum[(p * lines + l) * vectors + v]);
            }
        }
    if (parts > 1) {
        for (; i < k->in; i++, w += k->row)
            for (int v = 0; v < vectors; v++)
                sum[v] = _mm256_fmadd_ps(_mm256_broadcast_ss(x[0] + i * k->step),
                                         load(w + LANES * v, v == vectors - 1, lanes), sum[v]);
        for (int v = 0; v < vectors; v++) {
            const __m256 start = load(from[0] + at + LANES * v, v == vectors - 1, lanes);
            sum[v] = _mm256_add_ps(start, _mm256_add_ps(_mm256_add_ps(sum[v], sum[vectors + v]),
                                                        _mm256_add_ps(sum[2 * vectors + v], sum[3 * vectors + v])));
        }
    }
    for (int l = 0; l < lines; l++) {
        for (int v = 0; v < vectors - 1; v++)
            _mm256_storeu_ps(y[l] + at + LANES * v, sum[l * vectors + v]);
        if (rest >= LANES)
            _mm256_storeu_ps(y[l] + at + LANES * (vectors - 1), sum[l * vectors + vectors - 1]);
        else
            _mm256_maskstore_ps(y[l] + at + LANES * (vectors - 1), lanes, sum[l * vectors + vectors - 1]);
    }
}

/* The weights of a tile one after the other: rows that lie apart by a power of two drive each other out of the cache.
 */
static block gathered(const block *k, size_t vectors, size_t rest, float *near) {
    const block b = {k->in, k->step, near, LANES * vectors};
    for (size_t i = 0; i < k->in; i++, near += LANES * vectors)
        for (size_t v = 0; v < vectors; v++)
            _mm256_storeu_ps(near + LANES * v,
                             load(k->w + i * k->row + LANES * v, v == vectors - 1, first_lanes(rest)));
    return b;
}

/* Tiles of all outputs, as even as can be, `most` vectors at most; each for all lines while its weights are near. */
#define TILE(lines, vectors)                                                                                           \
    case vectors:                                                                                                      \
        for (size_t l = 0; l < count; l += lines)                                                                      \
            add_tile(lines, vectors, 1, &tile, rest, x + l, from + l, y + l, at);                                      \
        break
#define EACH_TILE(most, near_or_there, ...)                                                                            \
    for (size_t at = 0, left = (out + LANES - 1) / LANES, tiles = (left + (most)-1) / (most); tiles > 0; tiles--) {    \
        const size_t vectors = (left + tiles - 1) / tiles, rest = out - at - LANES * (vectors - 1);                    \
        const block there = {k->in, k->step, k->w + at, k->row};                                                       \
        const block tile = near_or_there;                                                                              \
        switch (vectors) { __VA_ARGS__; }                                                                              \
        at += LANES * vectors;                                                                                         \
        left -= vectors;                                                                                               \
    }

/* One output of weights in a row: eight inputs at a time. */
static float dot(size_t in, const float *x, const float *w) {
    __m256 sum[PARTIAL];
    size_t i = 0;
    for (int p = 0; p < PARTIAL; p++)
        sum[p] = _mm256_setzero_ps();
    for (; i + PARTIAL * LANES <= in; i += PARTIAL * LANES)
        for (int p = 0; p < PARTIAL; p++)
            sum[p] = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + LANES * p), _mm256_loadu_ps(w + i + LANES * p), sum[p]);
    for (; i < in; i += LANES) {
        const __m256i lanes = first_lanes(in - i);
        sum[0] = _mm256_fmadd_ps(_mm256_maskload_ps(x + i, lanes), _mm256_maskload_ps(w + i, lanes), sum[0]);
    }
    const __m256 whole = _mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]));
    const __m128 half = _mm_add_ps(_mm256_castps256_ps128(whole), _mm256_extractf128_ps(whole, 1));
    const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

static void add_narrow(const block *k, size_t count, size_t out, const float *const *x, const float *const *from,
                       float *const *y) {
    for (size_t l = 0; l < count; l++)
        if (out > LANES)
            add_tile(1, 2, PARTIAL, k, out - LANES, x + l, from + l, y + l, 0);
        else
            add_tile(1, 1, PARTIAL, k, out, x + l, from + l, y + l, 0);
}

static void add_one(const block *k, size_t out, const float *const *x, const float *const *from, float *const *y) {
    const size_t count = 1;
    EACH_TILE(MOST, there, TILE(1, 1); TILE(1, 2); TILE(1, 3); TILE(1, 4); TILE(1, 5); TILE(1, 6); TILE(1, 7);
              TILE(1, 8))
}

static void add_many(const block *k, size_t count, size_t out, const float *const *x, const float *const *from,
                     float *const *y) {
    float near[LANES * VECTORS * TOGETHER];
    const int apart = k->row > LONG && count > LINES;
    EACH_TILE(VECTORS, apart ? gathered(&there, vectors, rest, near) : there, TILE(LINES, 1); TILE(LINES, 2);
              TILE(LINES, 3))
}

/* All lines of one block; y[l] may be from[l]. */
static void add_block(const block *k, size_t count, size_t out, const float *const *x, const float *const *from,
                      float *const *y) {
    if (out == 1 && k->row == 1 && k->step == 1)
        for (size_t l = 0; l < count; l++)
            y[l][0] = from[l][0] + dot(k->in, x[l], k->w);
    else if (out <= 2 * LANES)
        add_narrow(k, count, out, x, from, y);
    else if (count == 1)
        add_one(k, out, x, from, y);
    else
        add_many(k, count, out, x, from, y);
}

void TSAD_K(add_lines_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                           size_t row, const float *b, float *const *y) {
    /* What fills the last tile is its last line: it gets the same sums again. */
    const float *inputs[AT_ONCE + LINES], *from[AT_ONCE + LINES];
    float *to[AT_ONCE + LINES];
    const size_t together = out > 2 * LANES && row > LONG && lines == 1 ? (size_t)FEWER : (size_t)TOGETHER;
    for (size_t at = 0; at < lines; at += AT_ONCE) {
        const size_t count = lines - at < AT_ONCE ? lines - at : (size_t)AT_ONCE;
        const size_t filled = count > 1 ? count + LINES - 1 : 1;
        for (size_t l = 0; l < filled; l++) {
            const size_t line = at + (l < count ? l : count - 1);
            inputs[l] = x[line];
            to[l] = y[line];
            from[l] = b != NULL ? b : y[line];
        }
        for (size_t i = 0; i < in; i += together) {
            const block k = {in - i < together ? in - i : together, step, w + i * row, row};
            add_block(&k, count, out, inputs, from, to);
            for (size_t l = 0; l < filled; l++) {
                inputs[l] += k.in * step;
                from[l] = to[l];
            }
        }
    }
}
