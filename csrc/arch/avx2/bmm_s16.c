/*
 * bmm_s16.c - products of two computed matrices of s16 values on x86 with AVX2: VPMADDWD adds products in pairs, for
 * sixteen columns of b that were laid side by side once. Sums are exact, so the bits are those of kernels/bmm_s16.c.
 *
 * A sum of 64 bits is kept as two of 32: of the pairs' sums, which may wrap around, and of these sums' upper halves,
 * which say how often it did.
 */
#include "lanes.h"

enum { OUTS = 16, ROWS = 128, TILE = 2, PAIRS = 256 };

typedef struct settling {
    int sum_shift, shift;
    int32_t m, limit;
} settling;

/* Of some rows of a and columns of b: two vectors of 64 bits for each eight columns, the even ones and the odd ones. */
typedef __m256i sums[ROWS][4];

/* Columns of b in pairs of rows: what VPMADDWD wants. */
typedef int16_t panel[PAIRS][OUTS][2];

/* Rows of b, `in` of them, and `count` columns; all else is zeros. */
static void lay(size_t in, size_t count, const int16_t *b, size_t step, size_t next, panel to) {
    const size_t pairs = in / 2;
    if (in % 2 != 0 || count < OUTS)
        memset(to, 0, (in + 1) / 2 * sizeof *to);
    if (step == 1) {
        for (size_t o = 0; o < count; o++)
            for (size_t p = 0; p < pairs; p++)
                memcpy(to[p][o], b + o * next + 2 * p, sizeof to[p][o]);
    } else if (next == 1 && count == OUTS) {
        for (size_t p = 0; p < pairs; p++) {
            const __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)(b + 2 * p * step));
            const __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(b + (2 * p + 1) * step));
            const __m256i low = _mm256_unpacklo_epi16(first, second), high = _mm256_unpackhi_epi16(first, second);
            _mm256_storeu_si256((__m256i *)(void *)to[p][0], _mm256_permute2x128_si256(low, high, 0x20));
            _mm256_storeu_si256((__m256i *)(void *)to[p][8], _mm256_permute2x128_si256(low, high, 0x31));
        }
    } else {
        for (size_t p = 0; p < pairs; p++)
            for (size_t o = 0; o < count; o++) {
                to[p][o][0] = b[2 * p * step + o * next];
                to[p][o][1] = b[(2 * p + 1) * step + o * next];
            }
    }
    for (size_t o = 0; in % 2 != 0 && o < count; o++)
        to[pairs][o][0] = b[2 * pairs * step + o * next];
}

/* What two sums of 32 bits say is added to those of 64. */
static inline void widen(__m256i low, __m256i high, __m256i *even, __m256i *odd) {
    const __m256i unit = _mm256_set1_epi32(1 << 16), mask = _mm256_set1_epi64x(0xffffffff);
    const __m256i rest = _mm256_sub_epi32(low, _mm256_slli_epi32(high, 16)); /* from 0 on, below 2^32 */
    const __m256i wraps = _mm256_mul_epi32(_mm256_srli_epi64(high, 32), unit);
    *even = _mm256_add_epi64(*even, _mm256_add_epi64(_mm256_mul_epi32(high, unit), _mm256_and_si256(rest, mask)));
    *odd = _mm256_add_epi64(*odd, _mm256_add_epi64(wraps, _mm256_srli_epi64(rest, 32)));
}

/* Sums of 32 bits of the rows of a tile, for two times eight columns. */
typedef struct partial {
    __m256i low[TILE][2], high[TILE][2];
} partial;

/* Two values of every row with two rows of b; of an odd number of values the last one, with zeros. */
static inline __attribute__((always_inline)) void add_pair(size_t rows, int both, size_t k, const int16_t *const *a,
                                                           const panel b, partial *to) {
    for (size_t r = 0; r < rows; r++) {
        int32_t two = (uint16_t)a[r][k];
        if (both)
            memcpy(&two, a[r] + k, sizeof two);
        const __m256i values = _mm256_set1_epi32(two);
        for (size_t half = 0; half < 2; half++) {
            const __m256i beside = _mm256_loadu_si256((const __m256i *)(const void *)b[k / 2][8 * half]);
            const __m256i sum = _mm256_madd_epi16(values, beside);
            to->low[r][half] = _mm256_add_epi32(to->low[r][half], sum);
            to->high[r][half] = _mm256_add_epi32(to->high[r][half], _mm256_srai_epi32(sum, 16));
        }
    }
}

/* acc += a . b for some rows of a, TILE at most. */
static inline __attribute__((always_inline)) void add_tile(size_t rows, size_t in, const int16_t *const *a,
                                                           const panel b, __m256i (*acc)[4]) {
    partial sum;
    size_t k = 0;
    for (size_t r = 0; r < rows; r++)
        sum.low[r][0] = sum.low[r][1] = sum.high[r][0] = sum.high[r][1] = _mm256_setzero_si256();
    for (; k + 2 <= in; k += 2)
        add_pair(rows, 1, k, a, b, &sum);
    if (k < in)
        add_pair(rows, 0, k, a, b, &sum);
    for (size_t r = 0; r < rows; r++) {
        widen(sum.low[r][0], sum.high[r][0], acc[r], acc[r] + 1);
        widen(sum.low[r][1], sum.high[r][1], acc[r] + 2, acc[r] + 3);
    }
}

/* The same for all of a block; where the values of a row lie apart they are brought together. */
static void add_rows(size_t rows, size_t in, const int16_t *a, const size_t as[3], const panel b, sums acc) {
    int16_t near[TILE][2 * PAIRS];
    for (size_t row = 0, count; row < rows; row += count) {
        const int16_t *from[TILE];
        count = rows - row < TILE ? rows - row : (size_t)TILE;
        for (size_t r = 0; r < count; r++) {
            from[r] = as[2] == 1 ? a + (row + r) * as[1] : near[r];
            for (size_t k = 0; as[2] != 1 && k < in; k++)
                near[r][k] = a[(row + r) * as[1] + k * as[2]];
        }
        if (count == TILE)
            add_tile(TILE, in, from, b, acc + row);
        else
            for (size_t r = 0; r < count; r++)
                add_tile(1, in, from + r, b, acc + row + r);
    }
}

/* (sum / 2^sum_shift) * m / 2^(32 + shift), rounded twice, of eight columns: the sums shifted fit into 32 bits. */
static inline __m256i settled(__m256i even, __m256i odd, const settling *by) {
    const __m256i half = _mm256_set1_epi64x(((int64_t)1 << by->sum_shift) >> 1);
    const __m128i bits = _mm_cvtsi32_si128(by->sum_shift);
    const __m256i sum = tsad8_joined(_mm256_srl_epi64(_mm256_add_epi64(even, half), bits),
                                     _mm256_srl_epi64(_mm256_add_epi64(odd, half), bits));
    const __m256i value = tsad8_requantise(sum, _mm256_set1_epi32(by->m), _mm256_set1_epi32(by->shift));
    return tsad8_clamped(value, -by->limit, by->limit);
}

/* Some rows and columns of y (rows, out), ROWS and OUTS at most. */
static void multiply(size_t rows, size_t in, size_t count, const int16_t *a, const size_t as[3], const int16_t *b,
                     const size_t bs[3], const settling *by, int16_t *y, size_t out) {
    panel beside;
    sums acc;
    memset(acc, 0, rows * sizeof *acc);
    for (size_t k = 0; k < in; k += 2 * PAIRS) {
        const size_t some = in - k < 2 * PAIRS ? in - k : (size_t)(2 * PAIRS);
        lay(some, count, b + k * bs[1], bs[1], bs[2], beside);
        add_rows(rows, some, a + k * as[2], as, (const int16_t(*)[OUTS][2])beside, acc);
    }
    for (size_t r = 0; r < rows; r++, y += out) {
        tsad8_store_some_s16(y, count, settled(acc[r][0], acc[r][1], by));
        if (count > TSAD_LANES)
            tsad8_store_some_s16(y + TSAD_LANES, count - TSAD_LANES, settled(acc[r][2], acc[r][3], by));
    }
}

void TSAD_K(bmm_s16)(size_t n, size_t count, size_t rows, size_t in, size_t out, const int16_t *a, size_t a_pitch,
                     const size_t as[3], const int16_t *b, size_t b_pitch, const size_t bs[3], int sum_shift, int32_t m,
                     int shift, int32_t limit, int16_t *y, size_t y_pitch) {
    const settling by = {sum_shift, shift, m, limit};
    for (size_t window = 0; window < n; window++, a += a_pitch, b += b_pitch, y += y_pitch)
        for (size_t i = 0; i < count; i++)
            for (size_t row = 0; row < rows; row += ROWS)
                for (size_t o = 0; o < out; o += OUTS)
                    multiply(rows - row < ROWS ? rows - row : (size_t)ROWS, in, out - o < OUTS ? out - o : (size_t)OUTS,
                             a + i * as[0] + row * as[1], as, b + i * bs[0] + o * bs[2], bs, &by,
                             y + (i * rows + row) * out + o, out);
}
