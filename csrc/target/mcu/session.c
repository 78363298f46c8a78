/* session.c - see session.h; what questions mean is in frame.h. */
#include "session.h"

enum { NAME_ROOM = FRAME_LARGEST_ANSWER - 17 - 64 };

void __attribute__((noinline)) session_stepped(void) { __asm__ volatile(""); }

static unsigned char *put_record(unsigned char *to, const tsad_event *e) {
    to = frame_put_u64(to, e->id);
    to = frame_put_u64(to, e->start);
    to = frame_put_u64(to, e->end);
    to = frame_put_f32(to, e->peak);
    to = frame_put_u64(to, e->peak_t);
    return frame_put_u32(to, (uint32_t)e->top);
}

static unsigned char *put_text(unsigned char *to, const char *text, size_t most) {
    for (size_t i = 0; i < most && text[i] != '\0'; i++)
        *to++ = (unsigned char)text[i];
    return to;
}

static unsigned char *hello(session *s, uint32_t number) {
    unsigned char *to = s->answer;
    if (!s->started || number != s->number)
        s->status = tsad_init(s->detector, s->model, s->config, s->memory, s->memory_size);
    s->started = 1;
    s->number = number;
    *to++ = (unsigned char)s->status;
    to = frame_put_u32(to, s->model->abi);
    to = frame_put_u32(to, s->model->crc);
    to = frame_put_u32(to, s->model->channels);
    to = frame_put_u32(to, s->model->window);
    to = put_text(to, s->model->id, 64);
    return put_text(to, s->model->name, NAME_ROOM);
}

static unsigned char *sample(session *s, const unsigned char *payload) {
    unsigned char *to = s->answer;
    tsad_result r = {0, 0.0f, 0, TSAD_EVENT_NONE, 0, 0}; /* a refused sample leaves it as it is */
    for (size_t c = 0; c < s->model->channels; c++)
        s->sample[c] = frame_get_f32(payload + 8 + 4 * c);
    const int status = tsad_step(s->detector, frame_get_u64(payload), s->sample, &r);
    session_stepped();
    *to++ = (unsigned char)status;
    *to++ = (unsigned char)r.alarm;
    *to++ = (unsigned char)r.event;
    *to++ = (unsigned char)r.quality;
    to = frame_put_f32(to, r.score);
    return r.event == TSAD_EVENT_ENDED ? put_record(to, &s->detector->record) : to;
}

static unsigned char *finish(session *s) {
    unsigned char *to = s->answer;
    *to++ = (unsigned char)tsad_finish(s->detector);
    return s->answer[0] ? put_record(to, &s->detector->record) : to;
}

static void send(const session *s, const frame *question, uint8_t kind, const unsigned char *payload, size_t length) {
    const frame f = {kind, question->sequence, (uint16_t)length, payload};
    frame_write(&f, s->put);
}

static void refuse(const session *s, const frame *question, unsigned char why) {
    send(s, question, FRAME_REFUSED, &why, 1);
}

static int is_right(const session *s, const frame *f) {
    switch (f->kind) {
    case FRAME_HELLO:
        return f->length == 4;
    case FRAME_SAMPLE:
        return f->length == FRAME_LARGEST_QUESTION(s->model->channels);
    default:
        return (f->kind == FRAME_FINISH || f->kind == FRAME_STACK) && f->length == 0;
    }
}

/* The end of the answer's payload. */
static unsigned char *answer(session *s, const frame *f) {
    switch (f->kind) {
    case FRAME_HELLO:
        return hello(s, frame_get_u32(f->payload));
    case FRAME_SAMPLE:
        return sample(s, f->payload);
    case FRAME_FINISH:
        return finish(s);
    default:
        return frame_put_u32(s->answer, s->stack_used());
    }
}

/* A hello of a session that goes on already starts none. */
static int starts_session(const session *s, const frame *f) {
    return f->kind == FRAME_HELLO && !(s->started && frame_get_u32(f->payload) == s->number);
}

void session_take(session *s, unsigned char byte) {
    frame f;
    if (!frame_read(&s->reader, byte, &f) || (f.kind & FRAME_ANSWER) != 0)
        return;
    if (!is_right(s, &f)) {
        refuse(s, &f, FRAME_BAD_QUESTION);
        return;
    }
    const int starts = starts_session(s, &f);
    if (!starts && (!s->started || (f.kind != FRAME_HELLO && s->status != TSAD_OK))) {
        refuse(s, &f, FRAME_NO_SESSION);
        return;
    }
    if (starts || f.kind != s->kind || f.sequence != s->sequence) { /* else it is asked again */
        if (!starts && (f.kind == FRAME_HELLO || f.sequence != (uint16_t)(s->sequence + 1u))) {
            refuse(s, &f, FRAME_BAD_SEQUENCE);
            return;
        }
        s->length = (size_t)(answer(s, &f) - s->answer);
        s->kind = f.kind;
        s->sequence = f.sequence;
    }
    send(s, &f, (uint8_t)(f.kind | FRAME_ANSWER), s->answer, s->length);
}
