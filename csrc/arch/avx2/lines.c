/*
 * lines.c - the sums of all matrix products on x86 with AVX2 and FMA; those of many lines are many.c's.
 *
 * A tile of sums stays in registers while the inputs pass: of a line, some vectors of eight outputs each. Products
 * are not rounded before they are added, so the bits are not those of kernels/lines.c. But what is added to what does
 * not depend on the number of lines: a window's score is the same in every batch.
 */
#include "many.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = 8,
    MOST = 14,   /* vectors in a tile, */
    OFTEN = 12,  /* and so many where a tile is not enough; */
    NARROW = 2,  /* so few are summed in parts, */
    PARTIAL = 4, /* which do not wait for each other, */
    LINES = 3,   /* and of one vector so many lines at once; */
    MANY = 8,    /* from so many on it pays to write down weights, */
    DEPTH = 256, /* but of so many inputs at most; */
    SHALLOW = 16 /* weights of one line come from afar: so many rows at once come fastest */
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

INLINE void store(float *to, size_t rest, __m256 from) {
    if (rest >= LANES)
        _mm256_storeu_ps(to, from);
    else
        _mm256_maskstore_ps(to, first_lanes(rest), from);
}

/* sum += the input of each line, `at` from its first one, times a row of weights; the sums of a line are `apart` */
INLINE void add_input(int lines, int vectors, size_t rest, const float *w, const float *const *x, size_t at, int apart,
                      __m256 *sum) {
    __m256 weights[NARROW];
    for (int v = 0; v < vectors && lines > 1; v++)
        weights[v] = load(w + LANES * v, v == vectors - 1, first_lanes(rest));
    for (int l = 0; l < lines; l++) {
        const __m256 value = _mm256_broadcast_ss(x[l] + at);
        for (int v = 0; v < vectors; v++)
            sum[l * apart + v] = _mm256_fmadd_ps(
                value, lines > 1 ? weights[v] : load(w + LANES * v, v == vectors - 1, first_lanes(rest)),
                sum[l * apart + v]);
    }
}

/*
 * The tile's outputs of some lines: y = from + x . w. Every `parts`-th input is added to the same sum, and these then
 * in pairs.
 */
INLINE void add_tile(int lines, int vectors, int parts, const panel *k, const float *const *x, const float *const *from,
                     float *const *y) {
    const __m256i lanes = first_lanes(k->rest);
    const int apart = vectors * parts;
    const float *w = k->w;
    __m256 sum[MOST];
    size_t i = 0, at = 0;
    for (int s = 0; s < lines * apart; s++)
        sum[s] = parts > 1 ? _mm256_setzero_ps() : load(from[0] + k->at + LANES * s, s == vectors - 1, lanes);
    for (; i + (size_t)parts <= k->in; i += (size_t)parts)
        for (int p = 0; p < parts; p++, at += k->step, w += k->row)
            add_input(lines, vectors, k->rest, w, x, at, apart, sum + p * vectors);
    for (; i < k->in; i++, at += k->step, w += k->row)
        add_input(lines, vectors, k->rest, w, x, at, apart, sum);
    for (int l = 0; l < lines; l++)
        for (int v = 0; v < vectors; v++) {
            const __m256 *part = sum + l * apart + v;
            __m256 all = part[0];
            if (parts > 1)
                all = _mm256_add_ps(load(from[l] + k->at + LANES * v, v == vectors - 1, lanes),
                                    _mm256_add_ps(_mm256_add_ps(all, part[vectors]),
                                                  _mm256_add_ps(part[2 * vectors], part[3 * vectors])));
            store(y[l] + k->at + LANES * v, v == vectors - 1 ? k->rest : (size_t)LANES, all);
        }
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
        for (size_t at = 0, vectors; at < out; at += LANES * vectors) {
            const size_t left = (out - at + LANES - 1) / LANES;
            vectors = left <= MOST ? left : (size_t)OFTEN;
            const panel k = {
                at, out - at - LANES * (vectors - 1), in - i < together ? in - i : together, step, w + i * row + at,
                row};
            const float *const inputs = x + i * step;
            switch (vectors) {
#define TILE(vectors)                                                                                                  \
    case vectors:                                                                                                      \
        add_tile(1, vectors, 1, &k, &inputs, &from, &y);                                                               \
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
                TILE(13);
                TILE(14);
            }
        }
}

/* A few outputs, line by line. */
INLINE void add_narrow(size_t lines, const panel *k, int vectors, const float *const *x, const float *b,
                       float *const *y) {
    for (size_t l = 0; l < lines; l++) {
        const float *const from = b != NULL ? b : y[l];
        if (vectors == 1)
            add_tile(1, 1, PARTIAL, k, x + l, &from, y + l);
        else
            add_tile(1, NARROW, PARTIAL, k, x + l, &from, y + l);
    }
}

/*
 * A few outputs of some lines at once, a vector of them after the other. For many lines weights are written down where
 * vectors lie well, if they fit.
 */
static void add_narrow_many(size_t lines, const panel *k, int vectors, const float *const *x, const float *b,
                            float *const *y) {
    __m256 near[DEPTH * NARROW];
    const size_t together = lines - lines % LINES;
    panel all = *k;
    if (lines >= MANY && k->in <= DEPTH) {
        all.row = LANES * (size_t)vectors;
        all.w = (const float *)near;
        for (size_t i = 0; i < k->in; i++)
            for (int v = 0; v < vectors; v++)
                near[i * (size_t)vectors + (size_t)v] =
                    load(k->w + i * k->row + LANES * v, v == vectors - 1, first_lanes(k->rest));
    }
    for (int v = 0; v < vectors; v++) {
        panel column = all;
        column.at = LANES * (size_t)v;
        column.w += column.at;
        column.rest = v == vectors - 1 ? k->rest : (size_t)LANES;
        for (size_t l = 0; l < together; l += LINES) {
            const float *from[LINES];
            for (size_t t = 0; t < LINES; t++)
                from[t] = b != NULL ? b : y[l + t];
            add_tile(LINES, 1, PARTIAL, &column, x + l, from, y + l);
        }
    }
    add_narrow(lines - together, &all, vectors, x + together, b, y + together);
}

void TSAD_K(add_lines_f32)(size_t lines, size_t in, size_t out, const float *const *x, size_t step, const float *w,
                           size_t row, const float *b, float *const *y) {
    const int vectors = out <= LANES ? 1 : NARROW;
    const panel k = {0, out - LANES * (size_t)(vectors - 1), in, step, w, row};
    if (out == 1 && row == 1 && step == 1)
        for (size_t l = 0; l < lines; l++)
            y[l][0] = (b != NULL ? b : y[l])[0] + dot(in, x[l], w);
    else if (out <= NARROW * LANES && lines >= LINES)
        add_narrow_many(lines, &k, vectors, x, b, y);
    else if (out <= NARROW * LANES)
        add_narrow(lines, &k, vectors, x, b, y);
    else if (lines > 1)
        TSAD_K(add_many_f32)(lines, in, out, x, step, w, row, b, y);
    else
        add_one(in, out, x[0], step, w, row, b != NULL ? b : y[0], y[0]);
}
