/* The guard: each kind with each of its policies, what a window holds afterwards, and configs that cannot be. */
#include "check.h"
#include "m_tiny.h"

#include <math.h>

enum { W = M_TINY_WINDOW, C = M_TINY_CHANNELS };

typedef struct stage {
    double memory[40];
    tsad d;
    tsad_result r;
    uint64_t t;
} stage;

static const float LOW[C] = {-10, -10}, HIGH[C] = {10, 10}, JUMP[C] = {5, 5};
static const uint32_t STUCK[C] = {0, 3};

static tsad_config all_limits(void) {
    tsad_config c = m_tiny_config;
    c.guard.low = LOW;
    c.guard.high = HIGH;
    c.guard.jump_most = JUMP;
    c.guard.stuck_from = STUCK;
    c.guard.gap_most = 10;
    c.guard.hold_most = 2;
    return c;
}

static void begin(stage *s, const tsad_config *c) {
    memset(s, 0, sizeof *s);
    CHECK(tsad_memory_size(&m_tiny, c, 1) <= sizeof s->memory);
    CHECK(tsad_init(&s->d, &m_tiny, c, s->memory, tsad_memory_size(&m_tiny, c, 1)) == TSAD_OK);
}

/* The next sample, one unit of time later. */
static int step(stage *s, float a, float b) {
    const float sample[C] = {a, b};
    return tsad_step(&s->d, ++s->t, sample, &s->r);
}

/* The score of a window, worked out by hand: sum over time of (a - 1) / 2 + 4 (b + 1). */
static float score_of(const float (*samples)[C]) {
    float sum[C] = {0, 0};
    for (size_t i = 0; i < W; i++) {
        sum[0] += (samples[i][0] - 1.0f) * 0.5f;
        sum[1] += (samples[i][1] + 1.0f) * 2.0f;
    }
    return sum[0] + 2.0f * sum[1];
}

static void off_is_silent(void) {
    const tsad_config c = all_limits();
    stage s;
    begin(&s, &c);
    CHECK(s.d.last == NULL && tsad_memory_size(&m_tiny, &c, 1) == M_TINY_MEMORY);
    for (int i = 0; i < 20; i++) {
        s.t += (uint64_t)(100 * (i % 3));
        CHECK(step(&s, i % 2 != 0 ? 1000.0f : -1000.0f, 1) >= 0 && s.r.quality == 0 && s.r.window_quality == 0);
    }
    CHECK(step(&s, NAN, 1) == TSAD_ERR_INPUT);
    s.t = 0;
    CHECK(step(&s, 1, 1) == TSAD_ERR_TIME);
}

static void marks_leave_scores_as_they_are(void) {
    static const float samples[][C] = {{0, 1}, {1, 1}, {20, 1}, {2, 1}, {3, 2}, {4, 9}, {5, 8}, {6, 7}, {7, 6}};
    static const uint32_t expected[] = {
        0, 0, TSAD_OUT_OF_RANGE + TSAD_JUMP + TSAD_STUCK, TSAD_JUMP + TSAD_STUCK, 0, TSAD_JUMP, 0, 0, 0};
    tsad_config c = all_limits();
    c.guard.out_of_range = c.guard.jump = c.guard.stuck = c.guard.gap = TSAD_MARK;
    stage s;
    begin(&s, &c);
    uint32_t window = 0;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        CHECK(step(&s, samples[i][0], samples[i][1]) == (i < W - 1 ? TSAD_WARMING_UP : TSAD_OK));
        CHECK(s.r.quality == expected[i]);
        window = expected[i] | (i > 0 ? expected[i - 1] : 0) | (i > 1 ? expected[i - 2] : 0);
        CHECK(s.r.window_quality == window);
        CHECK(i < W - 1 || s.r.score == score_of(samples + i - (W - 1)));
    }
    CHECK(window == 0);
    s.t += 10; /* one more than is allowed */
    CHECK(step(&s, 8, 5) == TSAD_OK && s.r.quality == TSAD_GAP);
    s.t += 9;
    CHECK(step(&s, 9, 4) == TSAD_OK && s.r.quality == 0 && s.r.window_quality == TSAD_GAP);
}

static void held_values_are_the_last_good_ones(void) {
    static const float held[W][C] = {{1, 1}, {1, 2}, {1, 3}};
    tsad_config c = all_limits();
    c.guard.not_finite = c.guard.out_of_range = c.guard.jump = TSAD_HOLD;
    for (int kind = 0; kind < 3; kind++) {
        const float odd = kind == 0 ? NAN : kind == 1 ? 11.0f : 7.0f;
        const uint32_t found = kind == 0 ? TSAD_NOT_FINITE : kind == 1 ? TSAD_OUT_OF_RANGE + TSAD_JUMP : TSAD_JUMP;
        stage s;
        begin(&s, &c);
        CHECK(step(&s, 1, 1) == TSAD_WARMING_UP);
        CHECK(step(&s, odd, 2) == TSAD_WARMING_UP && s.r.quality == (found | TSAD_HELD));
        CHECK(step(&s, odd, 3) == TSAD_OK && s.r.quality == (found | TSAD_HELD) && s.r.score == score_of(held));
        /* No longer than hold_most: the window is emptied. Only a jump is a value that can be, and the first of a new
         * one. */
        CHECK(step(&s, odd, 4) == TSAD_WARMING_UP && s.r.quality == found && isnan(s.r.score) &&
              s.d.taken == 3 + (kind == 2));
        CHECK(s.d.in_row == (kind == 2));
        step(&s, 6, 5);
        step(&s, 6, 6);
        CHECK((step(&s, 6, 7) == TSAD_OK) && s.r.quality == 0);
    }
}

static void nothing_to_hold_at_the_start(void) {
    tsad_config c = all_limits();
    c.guard.not_finite = TSAD_HOLD;
    stage s;
    begin(&s, &c);
    CHECK(step(&s, NAN, 1) == TSAD_WARMING_UP && s.r.quality == TSAD_NOT_FINITE && s.d.taken == 0 && s.d.last_t == 1);
    for (int i = 0; i < W; i++)
        CHECK(step(&s, 1, 1) == (i < W - 1 ? TSAD_WARMING_UP : TSAD_OK));
}

static void a_good_value_ends_holding(void) {
    tsad_config c = all_limits();
    c.guard.not_finite = TSAD_HOLD;
    stage s;
    begin(&s, &c);
    step(&s, 1, 1);
    for (int i = 0; i < 30; i++)
        CHECK(step(&s, i % 3 == 2 ? 1.0f : NAN, 1) >= 0 && s.d.in_row == (uint64_t)i + 2);
}

static void resets_empty_the_window(void) {
    static const uint32_t kinds[] = {TSAD_NOT_FINITE, TSAD_OUT_OF_RANGE, TSAD_STUCK,
                                     TSAD_JUMP,       TSAD_GAP,          TSAD_STEP_BACK};
    for (size_t k = 0; k < 6; k++) {
        tsad_config c = all_limits();
        uint8_t *const policies[] = {&c.guard.not_finite, &c.guard.out_of_range, &c.guard.stuck,
                                     &c.guard.jump,       &c.guard.gap,          &c.guard.step_back};
        *policies[k] = TSAD_RESET;
        stage s;
        begin(&s, &c);
        s.t = 1000;
        for (int i = 0; i < 6; i++)
            CHECK(step(&s, 1, (float)(i < 5 ? i : 4)) >= 0 && s.r.quality == 0);
        static const float odd[] = {INFINITY, -11, 1, -4.5f, 1, 1};
        s.t = k == 4 ? s.t + 10 : k == 5 ? s.t - 500 : s.t;
        CHECK(step(&s, odd[k], 4) == TSAD_WARMING_UP && isnan(s.r.score) && s.r.quality == kinds[k]);
        const int left_out = k < 2;
        CHECK(s.d.in_row == !left_out && s.r.window_quality == (left_out ? 0 : kinds[k]) && s.d.last_t == s.t);
        for (int i = 0; i < W - !left_out; i++)
            CHECK(step(&s, k == 3 ? odd[k] : 1.0f, (float)(5 + i)) ==
                  (i + 1 < W - !left_out ? TSAD_WARMING_UP : TSAD_OK));
    }
}

/* One channel would be held, the other empties the window: then there is nothing to hold, and the sample is left out.
 */
static void a_reset_takes_what_would_be_held(void) {
    tsad_config c = all_limits();
    c.guard.not_finite = TSAD_HOLD;
    c.guard.jump = TSAD_RESET;
    stage s;
    begin(&s, &c);
    step(&s, 1, 1);
    CHECK(step(&s, NAN, 9) == TSAD_WARMING_UP && s.r.quality == TSAD_NOT_FINITE + TSAD_JUMP && s.d.in_row == 0);
    CHECK(step(&s, 1, 9) == TSAD_WARMING_UP && s.r.quality == 0 && s.d.in_row == 1);
}

/* A sample that is refused does not even bring the gap before it into force. */
static void a_refused_sample_changes_nothing(void) {
    tsad_config c = all_limits();
    c.guard.gap = c.guard.step_back = c.guard.jump = TSAD_RESET;
    stage s;
    begin(&s, &c);
    for (int i = 0; i < 5; i++)
        step(&s, 1, 1);
    stage before = s;
    const uint64_t times[] = {s.t, s.t + 1, s.t + 100, 1};
    static const float odd[C] = {NAN, 9};
    memset(&s.r, 0x5a, sizeof s.r);
    before.r = s.r;
    for (size_t k = 0; k < 4; k++)
        CHECK(tsad_step(&s.d, times[k], odd, &s.r) == (k == 0 ? TSAD_ERR_TIME : TSAD_ERR_INPUT));
    CHECK(memcmp(&s, &before, sizeof s) == 0);
}

static void an_event_ends_with_the_window(void) {
    tsad_config c = all_limits();
    c.guard.gap = TSAD_RESET;
    c.events.records = 2;
    stage s;
    tsad_event e;
    begin(&s, &c);
    for (int i = 0; i < W + 1; i++)
        step(&s, 1, 9);
    CHECK(s.d.open && s.r.alarm);
    s.t += 100;
    CHECK(step(&s, 1, 9) == TSAD_WARMING_UP && s.r.event == TSAD_EVENT_ENDED && !s.r.alarm && !s.d.open);
    CHECK(tsad_next_event(&s.d, &e) == 1 && e.start == W && e.end == W + 1 && tsad_next_event(&s.d, &e) == 0);
    for (int i = 0; i < W - 1; i++)
        step(&s, 1, 9);
    CHECK(s.r.event == TSAD_EVENT_STARTED && s.d.record.id == 2);
}

/* With a window of one, the sample after a reset has a score: it still begins no event in the step that ended one. */
static void one_change_a_step(void) {
    tsad_model m = m_tiny;
    tsad_config c = all_limits();
    double memory[40];
    tsad d;
    tsad_result r;
    const float loud[W][C] = {{1, 9}, {1, 9}, {1, 9}}; /* m_tiny reads three slots, whatever its window */
    c.guard.gap = TSAD_RESET;
    m.window = 1;
    memset(memory, 0, sizeof memory);
    CHECK(tsad_init(&d, &m, &c, memory, sizeof memory) == TSAD_OK);
    CHECK(tsad_step(&d, 1, loud[0], &r) == TSAD_OK && r.event == TSAD_EVENT_STARTED);
    CHECK(tsad_step(&d, 100, loud[0], &r) == TSAD_OK && r.event == TSAD_EVENT_ENDED && !r.alarm);
    CHECK(tsad_step(&d, 101, loud[0], &r) == TSAD_OK && r.event == TSAD_EVENT_STARTED && r.alarm && d.record.id == 2);
}

static void configs_that_cannot_be(void) {
    double memory[40];
    tsad d;
    for (int k = 0; k < 15; k++) {
        tsad_config c = all_limits();
        tsad_guard_config *g = &c.guard;
        uint8_t *const policies[] = {&g->not_finite, &g->stuck, &g->gap, &g->step_back, &g->step_back};
        static const uint8_t never[] = {TSAD_MARK, TSAD_HOLD, TSAD_HOLD, TSAD_MARK, TSAD_HOLD};
        if (k < 5)
            *policies[k] = never[k];
        else if (k < 9)
            g->out_of_range = g->stuck = g->jump = TSAD_MARK;
        else if (k < 11)
            *(k == 9 ? &g->jump : &g->gap) = TSAD_RESET + 1;
        else
            *(k % 2 == 0 ? &c.events.smoothing : &c.events.hysteresis) = k < 13 ? -0.5f : NAN;
        if (k == 5)
            g->low = NULL;
        else if (k == 6)
            g->high = NULL;
        else if (k == 7)
            g->jump_most = NULL;
        else if (k == 8)
            g->stuck_from = NULL;
        CHECK(tsad_init(&d, &m_tiny, &c, memory, sizeof memory) == TSAD_ERR_ARG);
    }
}

/* What the macros say is what tsad_init takes, to the byte. */
static void memory_of_the_parts(void) {
    tsad_config c = all_limits();
    double memory[100];
    tsad d;
    c.guard.stuck = TSAD_MARK;
    c.events.records = 3;
    const size_t size = M_TINY_MEMORY + TSAD_GUARD_SIZE(C) + TSAD_EVENTS_SIZE(3);
    CHECK(tsad_memory_size(&m_tiny, &c, 1) == size && sizeof(tsad_event) == 40);
    CHECK(tsad_init(&d, &m_tiny, &c, memory, size - 1) == TSAD_ERR_MEMORY);
    CHECK(tsad_init(&d, &m_tiny, &c, memory, size) == TSAD_OK && (char *)d.slots > (char *)(d.records + 2));
    CHECK((char *)d.records >= (char *)(d.held + C) && (char *)d.last == (char *)memory);
    c.events.records = UINT32_MAX;
    CHECK(sizeof(size_t) > 4 || tsad_memory_size(&m_tiny, &c, 1) == 0);
    CHECK(tsad_memory_size(&m_tiny, NULL, 1) == 0);
}

int main(void) {
    off_is_silent();
    marks_leave_scores_as_they_are();
    held_values_are_the_last_good_ones();
    nothing_to_hold_at_the_start();
    a_good_value_ends_holding();
    resets_empty_the_window();
    a_reset_takes_what_would_be_held();
    a_refused_sample_changes_nothing();
    an_event_ends_with_the_window();
    one_change_a_step();
    configs_that_cannot_be();
    memory_of_the_parts();
    return check_result();
}
