/*
 * tsad_statistics.c - what is learnt from normal data: the tail of scores, the deviation of channels.
 *
 * After SPOT (Siffer, Fouque, Termier, Largouet, "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017),
 * but for its fit: peaks that are alarms are left out, and a memory of 64 peaks that is fitted as if none were missing
 * shrinks its tail with each of them, until all peaks are alarms. So the shape stays as it was learnt from scores that
 * were declared normal, where none are left out, and the scale follows from the mean of the newest peaks, moved by what
 * the wanted risk says is missing.
 *
 * The functions of the kernels' headers hold no state, and a detector comes nowhere without kernels.
 */
#include "tsad_statistics.h"
#include "functions.h"

#define MOST_GAP 65535u
#define LEAST_RISK 1e-9f
#define LEAST_SHAPE (-0.25f) /* a tail with a nearer end would shrink without end */
#define SHARE 50u            /* one in so many is a peak */
#define LEAST_PEAKS 10u

static int is_finite(float x) { return (tsad_to_bits(x) & 0x7f800000u) != 0x7f800000u; }

/*
 * With peaks above the threshold left out, `odds` is how many there should be for each that was seen: risk x gap.
 * Where the left out ones lie is g scales above the start; the mean of the others is (1 - odds g) / (1 - shape) scales.
 */
typedef struct reach {
    float g;
    float mean;
} reach;

static reach reach_of(float shape, float odds) {
    reach r;
    const float far = -tsad_log(odds / (1.0f + odds)), power = shape * far;
    r.g = power != 0.0f ? far * (tsad_expm1(power) / power) : far;
    r.mean = (1.0f - odds * r.g) / (1.0f - shape);
    return r;
}

float tsad_tail_level(const tsad_tail *tail, float risk, float excess, float gap) {
    const float odds = risk * gap;
    if (!(odds < 1.0f)) /* fewer peaks than there should be alarms */
        return tsad_nan();
    const reach r = reach_of(tail->shape, odds);
    return tail->start + excess * (r.g / r.mean);
}

int tsad_tail_is_right(const tsad_tail *tail, float risk) {
    return risk >= LEAST_RISK && risk < 1.0f && is_finite(tail->start) && tail->shape >= LEAST_SHAPE &&
           tail->shape < 1.0f && tail->excess > 0.0f && tail->gap >= 1u && tail->gap <= MOST_GAP &&
           is_finite(tsad_tail_level(tail, risk, tail->excess, (float)tail->gap));
}

/* ---------------------------------------------------------------- a tail learnt anew */

void tsad_highest_add(tsad_highest *h, float score) {
    uint32_t at = h->kept;
    h->seen++;
    if (at <= TSAD_SPOT_PEAKS)
        h->kept++;
    else if (!(score > h->score[--at]))
        return;
    for (; at > 0u && score > h->score[at - 1u]; at--)
        h->score[at] = h->score[at - 1u];
    h->score[at] = score;
}

/*
 * Shape and scale by probability-weighted moments (Hosking and Wallis 1987; the end of a tail is at least where its
 * largest excess is: Dupuis and Tsao 1998), then what a plant sees of that tail at this risk.
 */
int tsad_tail_learn(const tsad_highest *h, float risk, tsad_tail *tail) {
    const uint32_t above = h->seen / SHARE;
    if (above < LEAST_PEAKS || above >= h->kept)
        return 0;
    const float start = h->score[above];
    float sum = 0.0f, spread = 0.0f;
    uint32_t n = above;
    while (n > 0u && !(h->score[n - 1u] > start))
        n--; /* ties with the start are no peaks */
    for (uint32_t i = n; i-- > 0u;) {
        sum += h->score[i] - start;
        if (i + 1u < n)
            spread += (float)((i + 1u) * (n - 1u - i)) * (h->score[i] - h->score[i + 1u]);
    }
    if (n < LEAST_PEAKS || !(spread > 0.0f))
        return 0;
    const float mean = sum / (float)n, ratio = mean / (spread / (float)(n * (n - 1u)));
    float scale = mean * (ratio - 1.0f), shape = 2.0f - ratio;
    shape = shape < -scale / (h->score[0] - start) ? -scale / (h->score[0] - start) : shape;
    if (shape < LEAST_SHAPE) {
        shape = LEAST_SHAPE;
        scale = mean * (1.0f - shape);
    }
    const float gap = (float)h->seen / (float)n, missing = risk * gap;
    if (!(missing < 0.5f))
        return 0;
    const uint32_t seen_gap = (uint32_t)(gap / (1.0f - missing) + 0.5f);
    const tsad_tail found = {start, shape, scale * reach_of(shape, risk * (float)seen_gap).mean, seen_gap};
    if (!tsad_tail_is_right(&found, risk))
        return 0;
    *tail = found;
    return 1;
}

/* ---------------------------------------------------------------- channels */

void tsad_moments_add(float value, uint32_t count, float *mean, float *squares) {
    const float off = value - *mean;
    *mean += off / (float)count;
    *squares += off * (value - *mean);
}

float tsad_deviation(float squares, uint32_t count) { return tsad_sqrt(squares / (float)count); }
