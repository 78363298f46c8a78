/* Threshold and events: runs over the threshold, peaks, gaps, the end of a recording. */
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

int main(void) {
    a_run_is_an_event();
    no_score_neither_ends_nor_extends();
    time_does_not_run_back();
    finish_and_reset();
    top_channel();
    steps_name_the_channel();
    return check_result();
}
