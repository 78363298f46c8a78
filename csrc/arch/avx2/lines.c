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
    LINES = 4,   /* in a tile of many lines, */
    VECTORS = 3, /* which has at most so many vectors a line; */
    MOST = 12,   /* in a tile of one line */
    NARROW = 2,  /* vectors: so few outputs are summed in parts, */
    PARTIAL = 4, /* which do not wait for each other */
    DEPTH = 256, /* inputs that pass before the next tile of many lines: their weights stay near; */
    SHALLOW = 16 /* of one line, whose weights come from afar: so many rows at once come fastest */
};

/* Some vectors of outputs, from output `at` on, of which the last one holds `rest`; and what is added to them. */
typedef struct panel {
    size_t at, rest, in, step;
    const float *w;
    size_t row;
} panel;

/* The first `count` lanes, at most all of them. */
INLINE __m256i first_lanes(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < LANES ? (int)count : LANES), lane);
}

INLINE __m256 load(const float *from, int part, __m256i lanes) {
    return part ? _mm256_maskload_ps(from, lanes) : _mm256_loadu_ps(from);
}

INLINE void load_all(int vectors, const panel *k, const float *from, __m256 *to) {
    for (int v = 0; v < vectors; v++)
        to[v] = load(from + k->at + LANES * v, v == vectors - 1, first_lanes(k->rest));
}

INLINE void store_all(int vectors, const panel *k, const __m256 *from, float *to) {
    for (int v = 0; v < vectors - 1; v++)
        _mm256_storeu_ps(to + k->at + LANES * v, from[v]);
    if (k->rest >= LANES)
        _mm256_storeu_ps(to + k->at + LANES * (vectors - 1), from[vectors - 1]);
    else
        _mm256_maskstore_ps(to + k->at + LANES * (vectors - 1), first_lanes(k->rest), from[vectors - 1]);
}

/* The tile's outputs of one line: y = from + x . w. Every `parts`-th input is added to the same sum, and these then in
 * pairs. */
INLINE void add_line(int vectors, int parts, const panel *k, const float *x, const float *from, float *y) {
    const __m256i lanes = first_lanes(k->rest);
    const float *w = k->w;
    __m256 sum[MOST];
    size_t i = 0;
    if (parts == 1)
        load_all(vectors, k, from, sum);
    else
        for (int s = 0; s < vectors * parts; s++)
            sum[s] = _mm256_setzero_ps();
    for (; i + (size_t)parts <= k->in; i += (size_t)parts)
        for (int p = 0; p < parts; p++, x += k->step, w += k->row) {
            const __m256 value = _mm256_broadcast_ss(x);
            for (int v = 0; v < vectors; v++)
                sum[p * vectors + v] =
                    _mm256_fmadd_ps(value, load(w + LANES * v, v == vectors - 1, lanes), sum[p * vectors + v]);
        }
    for (; i < k->in; i++, x += k->step, w += k->row)
        for (int v = 0; v < vectors; v++)
            sum[v] = _mm256_fmadd_ps(_mm256_broadcast_ss(x), load(w + LANES * v, v == vectors - 1, lanes), sum[v]);
    if (parts > 1) {
        __m256 start[NARROW];
        load_all(vectors, k, from, start);
        for (int v = 0; v < vectors; v++)
            sum[v] = _mm256_add_ps(start[v], _mm256_add_ps(_mm256_add_ps(sum[v], sum[vectors + v]),
                                                           _mm256_add_ps(sum[2 * vectors + v], sum[3 * vectors + v])));
    }
    store_all(vectors, k, sum, y);
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

static void add_one(size_t in, size_t out, const float *x, size_t step, const float *w, size_t row, const float *from,
                    float *y) {
    const size_t together = out <= MOST * LANES ? in : (size_t)SHALLOW;
    for (size_t i = 0; i < in; i += together, from = y)
        for (size_t at = 0; at < out; at += MOST * LANES) {
            const size_t left = (out - at + LANES - 1) / LANES, vectors = left < MOST ? left : (size_t)MOST;
            const panel k = {
                at, out - at - LANES * (vectors - 1), in - i < together ? in - i : together, step, w + i * row + at,
                row};
            switch (vectors) {
#define TILE(vectors)                                                                                                  \
    case vectors:                                                                                                      \
        add_line(vectors, 1, &k, x + i * step, from, y);                                                               \
        break
                TILE(1);
                TILE(2);
                TILE(3);
                TILE(4);
                TILE(5);
                TILE(6);
                TILE(7);
                TILE(8);
                TILE(9);
                TILE(10);
                TILE(11);
                TILE(12);
            }
        }
}

/* The tile's outputs of LINES lines: y[l] = from[l] + x[l] . w. The weights are `there`, and are written down one after
 * the other for the tiles of other lines, or are `near` by then. */
INLINE void add_tile(int vectors, int first, const panel *k, float *near, const float *const *x,
                     const float *const *from, float *const *y) {
    const __m256i lanes = first_lanes(k->rest);
    const float *w = k->w, *x0 = x[0], *x1 = x[1], *x2 = x[2], *x3 = x[3];
    __m256 sum[LINES][VECTORS], weights[VECTORS];
    for (int l = 0; l < LINES; l++)
        load_all(vectors, k, from[l], sum[l]);
#pragma GCC unroll 2
    for (size_t i = 0; i < k->in; i++, near += LANES * vectors) {
        for (int v = 0; v < vectors; v++)
            if (first) {
                weights[v] = load(w + LANES * v, v == vectors - 1, lanes);
                _mm256_store_ps(near + LANES * v, weights[v]);
                _mm_prefetch((const char *)(w + LANES * (vectors + v)), _MM_HINT_T1); /* of the next panel */
            } else
                weights[v] = _mm256_load_ps(near + LANES * v);
        for (int l = 0; l < LINES; l++) {
            const __m256 value = _mm256_broadcast_ss(l == 0 ? x0 : l == 1 ? x1 : l == 2 ? x2 : x3);
            for (int v = 0; v < vectors; v++)
                sum[l][v] = _mm256_fmadd_ps(value, weights[v], sum[l][v]);
        }
        w += k->row;
        x0 += k->step;
        x1 += k->step;
        x2 += k->step;
        x3 += k->step;
    }
    for (int l = 0; l < LINES; l++)
        store_all(vectors, k, sum[l], y[l]);
}

/* All lines of a panel, from input `i` on. What fills the last tile is its last line: it gets the same sums again. */
INLINE void add_panel(int vectors, const panel *k, size_t lines, size_t i, const float *const *x, const float *b,
                      float *const *y) {
    __m256 near[DEPTH * VECTORS];
    for (size_t l = 0; l < lines; l += LINES) {
        const float *inputs[LINES], *from[LINES];
        float *to[LINES];
        for (size_t t = 0; t < LINES; t++) {
            const size_t line = l + t < lines ? l + t : lines - 1;
            inputs[t] = x[line] + i * k->step;
            to[t] = y[line];
            from[t] = b != NULL ? b : y[line];
        }
        if (l == 0)
            add_tile(vectors, 1, k, (float *)near, inputs, from, to);
        else
            add_tile(vectors, 0, k, (float *)near, inputs, from, to);
    }
}

/* Panels of all outputs, as even as can be. */
static void add_many(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                     size_t row, const float *b, float *const *y) {
    for (size_t i = 0; i < in; i += DEPTH, b = NULL) {
        size_t at = 0, left = (out + LANES - 1) / LANES;
        for (size_t panels = (left + VECTORS - 1) / VECTORS; panels > 0; panels--) {
            const size_t vectors = (left + panels - 1) / panels;
            const panel k = {
                at, out - at - LANES * (vectors - 1), in - i < DEPTH ? in - i : (size_t)DEPTH, step, w + i * row + at,
                row};
            if (vectors == 3)
                add_panel(3, &k, lines, i, x, b, y);
            else if (vectors == 2)
                add_panel(2, &k, lines, i, x, b, y);
            else
                add_panel(1, &k, lines, i, x, b, y);
            at += LANES * vectors;
            left -= vectors;
        }
    }
}

void TSAD_K(add_lines_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                           size_t row, const float *b, float *const *y) {
    const panel whole = {0, out, in, step, w, row}, two = {0, out - LANES, in, step, w, row};
    if (out > NARROW * LANES && lines > 1) {
        add_many(lines, in, out, x, step, w, row, b, y);
        return;
    }
    for (size_t l = 0; l < lines; l++) {
        const float *const from = b != NULL ? b : y[l];
        if (out == 1 && row == 1 && step == 1)
            y[l][0] = from[0] + dot(in, x[l], w);
        else if (out <= LANES)
            add_line(1, PARTIAL, &whole, x[l], from, y[l]);
        else if (out <= NARROW * LANES)
            add_line(2, PARTIAL, &two, x[l], from, y[l]);
        else
            add_one(in, out, x[l], step, w, row, from, y[l]);
    }
}
