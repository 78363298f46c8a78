/*
 * lines_s8.c - a matrix of s8 weights times several s16 vectors on x86 with AVX-512: VPDPWSSD adds products in pairs to
 * a tile of sums, of some lines and vectors of sixteen rows. The first lines make weights s16 and lay them beside each
 * other, for the tiles of the others. Sums are exact, so a line's are the same in any company.
 */
#include "../avx2/panels.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = 16,  /* rows of a vector, four panels; */
    VECTORS = 3, /* of a tile, at most, */
    LINES = 4,   /* which has so many lines; */
    FEW = 4,     /* fewer go one by one */
    DEPTH = 256  /* columns that pass before the next tile: their weights stay near */
};

/* Rows of a tile, all in panels, and a block of columns of theirs; of the last vector some panels, four at most. */
typedef struct block {
    size_t in, columns, panels;
    const int8_t *w;
} block;

/* Weights of two columns, beside each other for each of sixteen rows. */
typedef __m512i pair;

/* Of some panels four columns, as they lie there. */
INLINE __m512i four_columns(size_t panels, const int8_t *w, size_t next) {
    __m512i there = _mm512_maskz_broadcast_i32x4(0x000f, _mm_loadu_si128((const __m128i *)(const void *)w));
    if (panels > 1)
        there = _mm512_mask_broadcast_i32x4(there, 0x00f0, _mm_loadu_si128((const __m128i *)(const void *)(w + next)));
    if (panels > 2)
        there =
            _mm512_mask_broadcast_i32x4(there, 0x0f00, _mm_loadu_si128((const __m128i *)(const void *)(w + 2 * next)));
    if (panels > 3)
        there =
            _mm512_mask_broadcast_i32x4(there, 0xf000, _mm_loadu_si128((const __m128i *)(const void *)(w + 3 * next)));
    return there;
}

/* Of four columns, which go 0 2 1 3, the even bytes are the first two, and the odd ones the others. */
INLINE void lay_four(size_t panels, const int8_t *w, size_t next, pair *first, pair *second) {
    const __m512i there = four_columns(panels, w, next);
    *first = _mm512_srai_epi16(_mm512_slli_epi16(there, 8), 8);
    *second = _mm512_srai_epi16(there, 8);
}

/* Of the columns that are left, four bytes each, two; or the last one, and zeros. */
static void lay_two(size_t panels, const int8_t *w, size_t next, int both, pair *to) {
    __m128i rows[LANES / 4] = {_mm_setzero_si128()};
    for (size_t p = 0; p < panels; p++) {
        int32_t bytes[2] = {0, 0};
        memcpy(bytes, w + p * next, both ? 8 : 4);
        rows[p] = _mm_cvtepi8_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes[0]), _mm_cvtsi32_si128(bytes[1])));
    }
    memcpy(to, rows, sizeof *to);
}

/* Two values, or the last one and 0, for each of sixteen rows. */
INLINE __m512i two_values(const int16_t *x, int both) {
    int32_t values;
    if (!both)
        return _mm512_set1_epi32((uint16_t)*x);
    memcpy(&values, x, sizeof values);
    return _mm512_set1_epi32(values);
}

INLINE void add_pair(int lines, int vectors, const int16_t *const *x, size_t i, int both, const pair *near,
                     __m512i (*sum)[VECTORS]) {
    __m512i weights[VECTORS];
    for (int v = 0; v < vectors; v++) {
        weights[v] = near[v];
        __asm__("" : "+v"(weights[v])); /* read once */
    }
    for (int l = 0; l < lines; l++) {
        const __m512i values = two_values(x[l] + i, both);
        for (int v = 0; v < vectors; v++)
            sum[l][v] = _mm512_dpwssd_epi32(sum[l][v], values, weights[v]);
    }
}

/* acc[l] = from[l] + x[l] . w for the rows of a block and some lines. */
INLINE void add_tile(int lines, int vectors, int first, const block *k, pair *near, const int16_t *const *x,
                     const int32_t *const *from, int32_t *const *acc) {
    const size_t rest = 4 * k->panels, next = 4 * k->in, fours = k->columns - k->columns % 4;
    const __mmask16 last = (__mmask16)(0xffffu >> (LANES - rest));
    __m512i sum[LINES][VECTORS];
    size_t i = 0;
    for (int l = 0; l < lines; l++)
        for (int v = 0; v < vectors; v++)
            sum[l][v] = _mm512_maskz_loadu_epi32(v < vectors - 1 ? 0xffff : last, from[l] + LANES * v);
    for (; i < fours; i += 4, near += 2 * vectors) {
        for (int v = 0; first && v < vectors; v++)
            lay_four(v < vectors - 1 ? 4 : k->panels, k->w + 4 * i + LANES * k->in * (size_t)v, next, near + v,
                     near + vectors + v);
        add_pair(lines, vectors, x, i, 1, near, sum);
        add_pair(lines, vectors, x, i + 2, 1, near + vectors, sum);
    }
    for (; i < k->columns; i += 2, near += vectors) {
        const int both = i + 1 < k->columns;
        for (int v = 0; first && v < vectors; v++)
            lay_two(v < vectors - 1 ? 4 : k->panels, k->w + 4 * i + LANES * k->in * (size_t)v, next, both, near + v);
        add_pair(lines, vectors, x, i, both, near, sum);
    }
    for (int l = 0; l < lines; l++)
        for (int v = 0; v < vectors; v++)
            _mm512_mask_storeu_epi32(acc[l] + LANES * v, v < vectors - 1 ? 0xffff : last, sum[l][v]);
}

/* All lines of a block's rows, from column `i` on. What fills the last tile is its last line: it gets the same sums. */
INLINE void add_block(int vectors, const block *k, size_t lines, size_t i, size_t at, const int16_t *const *x,
                      const int32_t *b, int32_t *const *acc) {
    pair near[DEPTH / 2 * VECTORS];
    for (size_t l = 0; l < lines; l += LINES) {
        const int16_t *values[LINES];
        const int32_t *from[LINES];
        int32_t *to[LINES];
        for (size_t t = 0; t < LINES; t++) {
            const size_t line = l + t < lines ? l + t : lines - 1;
            values[t] = x[line] + i;
            to[t] = acc[line] + at;
            from[t] = b != NULL ? b + at : to[t];
        }
        if (l == 0)
            add_tile(LINES, vectors, 1, k, near, values, from, to);
        else if (lines - l <= LINES / 2)
            add_tile(LINES / 2, vectors, 0, k, near, values, from, to);
        else
            add_tile(LINES, vectors, 0, k, near, values, from, to);
    }
}

void TSAD_K(add_lines_s8)(size_t lines, size_t in, size_t out, const int16_t *const *x, const int8_t *w,
                          const int32_t *b, int32_t *const *acc) {
    const size_t panels = lines < FEW ? 0 : out / 4;
    for (size_t i = 0; i < in; i += DEPTH)
        for (size_t p = 0, some; p < panels; p += some) {
            some = panels - p < 4 * VECTORS ? panels - p : (size_t)(4 * VECTORS);
            const size_t vectors = (some + 3) / 4;
            const block k = {in, in - i < DEPTH ? in - i : (size_t)DEPTH, some - 4 * (vectors - 1),
                             w + 4 * (p * in + i)};
            if (vectors == 3)
                add_block(3, &k, lines, i, 4 * p, x, i == 0 ? b : NULL, acc);
            else if (vectors == 2)
                add_block(2, &k, lines, i, 4 * p, x, i == 0 ? b : NULL, acc);
            else
                add_block(1, &k, lines, i, 4 * p, x, i == 0 ? b : NULL, acc);
        }
    for (size_t l = 0; l < lines; l++)
        for (size_t o = 4 * panels, count; o < out; o += count)
            count = TSAD_K(next_rows_s8)(out - o, in, x[l], w + o * in, b + o, acc[l] + o);
}
