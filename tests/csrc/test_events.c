/* From score to event: smoothing, runs over the threshold, hysteresis, peaks, times, the ring, the end of a recording.
 */
#include "check.h"
#include "m_tiny.h"

#include <math.h>

typedef struct stage {
    double memory[M_TINY_MEMORY / 8];
    tsad d;
    tsad_result r;
} stage;

static void begin(stage *s) {
    CHECK(tsad_init(&s->d, &m_tiny, &m_tiny_config, s->memory, sizeof s->memory) == TSAD_OK);
}

static int tell(stage *s, uint64_t t, float score) { return tsad_decide(&s->d, t, score, NULL, &s->r); }

static void a_run_is_an_event(void) {
    static const float scores[] = {1, 11, 15, 15, 10, 10, 30, 2};
    static const int changes[] = {0, 1, 0, 0, 2, 0, 1, 2};
    stage s;
    begin(&s);
    for (uint64_t t = 0; t < 8; t++) {
        CHECK(tell(&s, 100 + t, scores[t]) == TSAD_OK);
        CHECK(s.r.alarm == (scores[t] > 10.0f) && s.r.event == changes[t] && s.r.t == 100 + t);
        CHECK(s.r.score == scores[t]);
        if (t == 4) {
            CHECK(s.d.record.id == 1 && s.d.record.start == 101 && s.d.record.end == 103);
            CHECK(s.d.record.peak == 15.0f && s.d.record.peak_t == 102 && s.d.record.top == -1);
        }
    }
    CHECK(s.d.record.id == 2 && s.d.record.start == 106 && s.d.record.end == 106 && s.d.record.peak == 30.0f);
    CHECK(tsad_finish(&s.d) == 0);
}

static void no_score_neither_ends_nor_extends(void) {
    stage s;
    begin(&s);
    tell(&s, 1, 20.0f);
    const tsad_event before = s.d.record;
    CHECK(tell(&s, 2, NAN) == TSAD_WARMING_UP && isnan(s.r.score) && !s.r.alarm && s.r.event == TSAD_EVENT_NONE);
    CHECK(memcmp(&before, &s.d.record, sizeof before) == 0 && s.d.open);
    tell(&s, 3, 12.0f);
    CHECK(s.r.event == TSAD_EVENT_NONE && s.d.record.id == 1 && s.d.record.end == 3);
}

static void time_does_not_run_back(void) {
    static const float sample[2] = {1, 1};
    stage s;
    begin(&s);
    tell(&s, 50, 20.0f);
    const tsad before = s.d;
    CHECK(tell(&s, 50, 20.0f) == TSAD_ERR_TIME && tell(&s, 49, 1.0f) == TSAD_ERR_TIME);
    CHECK(tsad_step(&s.d, 50, sample, &s.r) == TSAD_ERR_TIME);
    CHECK(memcmp(&before, &s.d, sizeof before) == 0);
    CHECK(tsad_decide(NULL, 51, 1.0f, NULL, &s.r) == TSAD_ERR_ARG);
    CHECK(tsad_decide(&s.d, 51, 1.0f, NULL, NULL) == TSAD_ERR_ARG);
}

static void finish_and_reset(void) {
    stage s;
    begin(&s);
    CHECK(tsad_finish(&s.d) == 0 && tsad_finish(NULL) == 0);
    tell(&s, 1, 20.0f);
    CHECK(tsad_finish(&s.d) == 1 && s.d.record.id == 1 && s.d.record.end == 1);
    CHECK(tsad_finish(&s.d) == 0);
    tell(&s, 2, 20.0f);
    CHECK(s.r.event == TSAD_EVENT_STARTED && s.d.record.id == 2);
    CHECK(tsad_interrupt(&s.d) == 1 && s.d.record.end == 2);
    CHECK(tsad_interrupt(&s.d) == 0 && tsad_interrupt(NULL) == 0);
    tsad_reset(&s.d);
    tell(&s, 1, 20.0f);
    CHECK(s.d.record.id == 1);
}

static void top_channel(void) {
    static const float parts[][2] = {{3, 4}, {4, 4}, {NAN, 9}, {9, NAN}, {-INFINITY, -5}};
    static const int32_t top[] = {1, 0, 0, 1, 1};
    for (size_t k = 0; k < 5; k++) {
        stage s;
        begin(&s);
        CHECK(tsad_decide(&s.d, 1, 20.0f, parts[k], &s.r) == TSAD_OK && s.d.record.top == top[k]);
        /* A lower score does not move it, a higher one does. */
        CHECK(tsad_decide(&s.d, 2, 15.0f, parts[0], &s.r) == TSAD_OK && s.d.record.top == top[k]);
        CHECK(tsad_decide(&s.d, 3, 25.0f, parts[1], &s.r) == TSAD_OK && s.d.record.top == 0);
    }
}

static void steps_name_the_channel(void) {
    static const float quiet[2] = {1, -1}, loud[2] = {1, 9};
    stage s;
    begin(&s);
    for (uint64_t t = 0; t < 3; t++)
        tsad_step(&s.d, t, quiet, &s.r);
    CHECK(s.r.score == 0.0f && s.d.record.top == -1);
    CHECK(tsad_step(&s.d, 3, loud, &s.r) == TSAD_OK && s.r.event == TSAD_EVENT_STARTED && s.d.record.top == 1);
    for (uint64_t t = 4; t < 7; t++)
        tsad_step(&s.d, t, quiet, &s.r);
    CHECK(s.r.event == TSAD_EVENT_ENDED && s.d.record.start == 3 && s.d.record.end == 5);
    CHECK(s.d.record.peak == 40.0f && s.d.record.peak_t == 3);
}

/* ---------------------------------------------------------------- hysteresis, on-time, refractory time, the ring */

/* Scores one after the other against threshold 10: alarm and change of each, as text. */
static void tells(tsad_event_config rules, size_t n, const float *scores, const char *alarms, const char *changes) {
    tsad_config c = m_tiny_config;
    double memory[40];
    tsad d;
    tsad_result r;
    c.events = rules;
    CHECK(tsad_init(&d, &m_tiny, &c, memory, sizeof memory) == TSAD_OK);
    for (size_t i = 0; i < n; i++) {
        tsad_decide(&d, i, scores[i], NULL, &r);
        CHECK(r.alarm == (alarms[i] == '1') && r.event == changes[i] - '0');
    }
}

static void an_event_goes_on_down_to_the_lower_level(void) {
    static const float scores[] = {9, 11, 9, 8, 7.6f, 7.5f, 9, 11, NAN, 7.6f};
    const tsad_event_config rules = {.hysteresis = 0.25f};
    tells(rules, 10, scores, "0111100101", "0100020100");
}

static void short_runs_are_none(void) {
    static const float scores[] = {11, 11, 0, 11, 11, NAN, 11, 12, 0, 11};
    const tsad_event_config rules = {.min_on = 3};
    stage s;
    tells(rules, 10, scores, "0000001100", "0000001020");
    begin(&s);
    s.d.config.events.min_on = 3;
    for (uint64_t t = 0; t < 8; t++)
        tell(&s, t, scores[t]);
    /* Dated from its first sample; a run that was none takes no number. */
    CHECK(s.d.record.id == 1 && s.d.record.start == 3 && s.d.record.peak == 12.0f && s.d.record.peak_t == 7);
    tell(&s, 8, 0);
    tell(&s, 9, 99);
    CHECK(s.d.record.peak == 12.0f && tsad_finish(&s.d) == 0); /* the last run is too short */
}

static void after_an_event_there_is_silence(void) {
    static const float scores[] = {11, 0, 11, NAN, 11, 11, 0, 0, 0, 11};
    const tsad_event_config rules = {.refractory = 2};
    tells(rules, 10, scores, "1000010001", "1200012001");
    const tsad_event_config none = {.refractory = 0};
    tells(none, 10, scores, "1010110001", "1210002001");
}

static void lower_level_of_thresholds_of_any_sign(void) {
    static const float thresholds[] = {-10, INFINITY, -INFINITY, 0};
    static const float on[] = {-9, INFINITY, 0, 1}, still[] = {-12.4f, INFINITY, -3e38f, 1e-30f},
                       off[] = {-12.6f, 1, -INFINITY, 0};
    for (size_t k = 0; k < 4; k++) {
        stage s;
        begin(&s);
        s.d.threshold = thresholds[k];
        s.d.config.events.hysteresis = 0.25f;
        tell(&s, 1, on[k]);
        CHECK(s.r.alarm == (k != 1));
        tell(&s, 2, still[k]);
        CHECK(s.r.alarm == (k != 1));
        tell(&s, 3, off[k]);
        CHECK(!s.r.alarm);
    }
}

static void the_ring_keeps_the_newest(void) {
    tsad_config c = m_tiny_config;
    double memory[60];
    tsad d;
    tsad_result r;
    tsad_event e;
    c.events.records = 3;
    CHECK(tsad_init(&d, &m_tiny, &c, memory, tsad_memory_size(&m_tiny, &c, 1)) == TSAD_OK);
    CHECK(tsad_next_event(&d, &e) == 0 && tsad_next_event(NULL, &e) == 0 && tsad_next_event(&d, NULL) == 0);
    for (uint64_t t = 0; t < 10; t++)
        tsad_decide(&d, t, t % 2 == 0 ? 11.0f : 0.0f, NULL, &r);
    CHECK(d.records_lost == 2);
    for (uint64_t id = 3; id < 6; id++)
        CHECK(tsad_next_event(&d, &e) == 1 && e.id == id && e.start == 2 * (id - 1));
    CHECK(tsad_next_event(&d, &e) == 0 && d.records_lost == 2);
    tsad_decide(&d, 10, 11.0f, NULL, &r);
    CHECK(tsad_next_event(&d, &e) == 0); /* it goes on */
    CHECK(tsad_finish(&d) == 1 && tsad_next_event(&d, &e) == 1 && e.id == 6);
    tsad_reset(&d);
    CHECK(d.records_lost == 0 && tsad_next_event(&d, &e) == 0);
}

/* s = s + a (x - s), each operation rounded; an infinite score is told, and begins anew. */
static void smoothing(void) {
    static const float b[] = {-1, -1, -1, 0, 0, -1, 3e38f, -1, -1, -1, -1};
    tsad_config c = m_tiny_config;
    double memory[M_TINY_MEMORY / 8];
    tsad d;
    tsad_result r;
    float s = 0;
    float bulk[11], samples[11][2];
    c.events.smoothing = 0.3f;
    CHECK(tsad_init(&d, &m_tiny, &c, memory, sizeof memory) == TSAD_OK);
    for (size_t i = 0; i < 11; i++) {
        samples[i][0] = 1;
        samples[i][1] = b[i];
        tsad_step(&d, i, samples[i], &r);
        if (i < 2)
            continue;
        const float x = 4.0f * (b[i] + 1.0f + (b[i - 1] + 1.0f) + (b[i - 2] + 1.0f));
        const float difference = x - s, part = 0.3f * difference;
        s = i == 2 || isinf(s) ? x : s + part;
        CHECK(same_bits(&s, &r.score, 1) && r.alarm == (s > 10.0f));
    }
    tsad_reset(&d);
    CHECK(tsad_score(&d, samples[0], 11, bulk) == TSAD_OK && same_bits(bulk + 10, &r.score, 1));
}

int main(void) {
    a_run_is_an_event();
    no_score_neither_ends_nor_extends();
    time_does_not_run_back();
    finish_and_reset();
    top_channel();
    steps_name_the_channel();
    an_event_goes_on_down_to_the_lower_level();
    short_runs_are_none();
    after_an_event_there_is_silence();
    lower_level_of_thresholds_of_any_sign();
    the_ring_keeps_the_newest();
    smoothing();
    return check_result();
}
