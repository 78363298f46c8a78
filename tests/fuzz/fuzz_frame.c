/*
 * A line to a firmware, with whatever on it: the reader takes the frames that a slow decoder of the rules in frame.h
 * takes, and no others; a good frame is heard whatever came before it; a session answers in good frames, answers what
 * is asked again as before, and a question that is refused or repeated leaves the detector as it was.
 */
#include "fuzz.h"
#include "m_reference.h"
#include "session.h"

enum { LINE = 4096, PAYLOAD = 160, CHANNELS = M_REFERENCE_CHANNELS };

typedef struct bytes {
    unsigned char at[LINE];
    size_t count;
} bytes;

static bytes line, said, question, answer;
static bytes *writes_to;

static void put(unsigned char byte) {
    HOLDS(writes_to->count < LINE);
    writes_to->at[writes_to->count++] = byte;
}

static void write_to(bytes *to, const frame *f) {
    writes_to = to;
    frame_write(f, put);
}

/* ---------------------------------------------------------------- the slow decoder */

/* Bit by bit, as long division is taught. */
static unsigned crc_of(const unsigned char *from, size_t count) {
    unsigned crc = 0xffff;
    for (size_t i = 0; i < 8 * count; i++) {
        const unsigned top = (crc >> 15 ^ from[i / 8] >> (7 - i % 8)) & 1u;
        crc = (crc << 1 & 0xffffu) ^ (top != 0 ? 0x1021u : 0u);
    }
    return crc;
}

/* What stands between two ends, which `room` bytes must hold; the payload is in `plain`. */
static int decoded(const unsigned char *from, size_t count, size_t room, unsigned char *plain, frame *f) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned char byte = from[i];
        if (byte == FRAME_ESCAPE) {
            if (++i == count || (from[i] != FRAME_ESCAPED_END && from[i] != FRAME_ESCAPED_ESCAPE))
                return 0;
            byte = from[i] == FRAME_ESCAPED_END ? FRAME_END : FRAME_ESCAPE;
        }
        if (used == room)
            return 0;
        plain[used++] = byte;
    }
    if (used < FRAME_AROUND || (size_t)(plain[3] | plain[4] << 8) + FRAME_AROUND != used ||
        crc_of(plain, used - 2) != (unsigned)(plain[used - 2] | plain[used - 1] << 8))
        return 0;
    f->kind = plain[0];
    f->sequence = (uint16_t)(plain[1] | plain[2] << 8);
    f->length = (uint16_t)(used - FRAME_AROUND);
    f->payload = plain + 5;
    return 1;
}

static int same_frame(const frame *a, const frame *b) {
    return a->kind == b->kind && a->sequence == b->sequence && a->length == b->length &&
           memcmp(a->payload, b->payload, a->length) == 0;
}

/* ---------------------------------------------------------------- the reader */

static void read_line(size_t room) {
    static unsigned char plain[LINE];
    unsigned char *exact = (unsigned char *)malloc(room); /* so that the address sanitizer sees one byte too far */
    frame_reader reader = {0};
    frame heard, wanted;
    size_t start = 0;
    int good = 0;
    HOLDS(exact != NULL);
    reader.room = exact;
    reader.size = room;
    for (size_t i = 0; i < line.count; i++) {
        const int is_end = line.at[i] == FRAME_END;
        good = is_end && decoded(line.at + start, i - start, room, plain, &wanted);
        HOLDS(frame_read(&reader, line.at[i], &heard) == good);
        HOLDS(!good || same_frame(&heard, &wanted));
        start = is_end ? i + 1 : start;
    }
    HOLDS(good); /* the line ends with a good frame */
    free(exact);
}

/* ---------------------------------------------------------------- the session */

static union {
    uint64_t align;
    unsigned char bytes[M_REFERENCE_MEMORY];
} memory, memory_before;
static tsad detector, detector_before;
static float sample[CHANNELS];
static unsigned char question_room[FRAME_AROUND + FRAME_LARGEST_QUESTION(CHANNELS)];
static session talk;

static uint32_t stack_used(void) { return 0xc0dbu; }

static void power_on(void) {
    static const session nothing;
    static const tsad no_detector;
    talk = nothing;
    detector = no_detector;
    memset(&memory, 0, sizeof memory);
    talk.model = &m_reference;
    talk.config = &m_reference_config;
    talk.detector = &detector;
    talk.memory = &memory;
    talk.memory_size = sizeof memory;
    talk.sample = sample;
    talk.reader.room = question_room;
    talk.reader.size = sizeof question_room;
    talk.put = put;
    talk.stack_used = stack_used;
}

/* Sends bytes; `said` is what was answered: good frames, and nothing between them. The last one, or NULL. */
static const frame *ask(const unsigned char *from, size_t count) {
    static unsigned char plain[LINE];
    static frame last;
    size_t start = 0;
    int frames = 0;
    writes_to = &said;
    said.count = 0;
    for (size_t i = 0; i < count; i++) {
        said.count = 0;
        session_take(&talk, from[i]);
        for (size_t k = start = 0; k < said.count; k++) {
            if (said.at[k] != FRAME_END)
                continue;
            if (k > start) {
                HOLDS(decoded(said.at + start, k - start, FRAME_LARGEST_ANSWER + FRAME_AROUND, plain, &last));
                HOLDS((last.kind & FRAME_ANSWER) != 0);
                frames++;
            }
            start = k + 1;
        }
        HOLDS(start == said.count); /* an answer ends with FRAME_END */
    }
    return frames != 0 ? &last : NULL;
}

static void keep(void) {
    detector_before = detector;
    memory_before = memory;
}

static int unchanged(void) {
    return memcmp(&detector, &detector_before, sizeof detector) == 0 &&
           memcmp(&memory, &memory_before, sizeof memory) == 0;
}

/* A question in its turn, and at once again. */
static void in_turn(uint8_t kind, uint16_t sequence, const unsigned char *payload, uint16_t length) {
    const frame f = {kind, sequence, length, payload};
    question.count = 0;
    write_to(&question, &f);
    keep();
    const frame *first = ask(question.at, question.count);
    HOLDS(first != NULL && first->sequence == sequence);
    if (first->kind == FRAME_REFUSED) {
        HOLDS(unchanged());
        return;
    }
    HOLDS(first->kind == (kind | FRAME_ANSWER));
    if (kind == FRAME_SAMPLE && (int8_t)first->payload[0] < 0)
        HOLDS(unchanged());
    answer = said;
    keep();
    HOLDS(ask(question.at, question.count) != NULL);
    HOLDS(unchanged() && said.count == answer.count && memcmp(said.at, answer.at, said.count) == 0);
}

/* ---------------------------------------------------------------- */

/* Appends a frame to the line and, by `how`, changes a byte of it, or leaves its end away. */
static void add_frame(input *in, int how) {
    static unsigned char payload[PAYLOAD];
    frame f = {take_byte(in), 0, 0, payload};
    f.sequence = (uint16_t)(take_byte(in) | take_byte(in) << 8);
    f.length = take_byte(in) % PAYLOAD;
    for (size_t i = 0; i < f.length; i++)
        payload[i] = take_byte(in);
    const size_t start = line.count;
    write_to(&line, &f);
    const size_t place = start + take_byte(in) % (line.count - start);
    if (how == 1)
        line.at[place] ^= (unsigned char)(1u << (take_byte(in) & 7u));
    else if (how == 2)
        line.count = place;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned char end = FRAME_END, zeros[PAYLOAD];
    static unsigned char payload[FRAME_LARGEST_QUESTION(CHANNELS)];
    input in = {data, size};
    const size_t room = FRAME_AROUND + take_byte(&in) % PAYLOAD;
    power_on();
    line.count = 0;
    while (in.left > 0 && line.count < LINE / 2) {
        const size_t start = line.count;
        const uint8_t op = take_byte(&in);
        if ((op & 7) > 3)
            ask(&end, 1); /* what is left of the line is over, whatever it was */
        switch (op & 7) {
        case 0:
            for (size_t n = op >> 3; n > 0 && in.left > 0; n--)
                line.at[line.count++] = take_byte(&in);
            break;
        case 1:
        case 2:
        case 3:
            add_frame(&in, (op & 7) - 1);
            break;
        case 4:
            frame_put_u32(payload, take_u32(&in));
            in_turn(FRAME_HELLO, take_byte(&in), payload, 4);
            break;
        case 5:
        case 6:
            frame_put_u64(payload, (uint64_t)take_byte(&in) + (op & 128 ? detector.last_t : 0));
            for (size_t c = 0; c < CHANNELS; c++)
                frame_put_u32(payload + 8 + 4 * c, (op & 64) != 0 ? take_u32(&in) : (uint32_t)take_byte(&in) << 23);
            in_turn(FRAME_SAMPLE, (uint16_t)(talk.sequence + 1u), payload, sizeof payload);
            break;
        default:
            in_turn((op & 8) != 0 ? FRAME_FINISH : FRAME_STACK, (uint16_t)(talk.sequence + 1u), payload, 0);
            break;
        }
        if (line.count > start)
            ask(line.at + start, line.count - start);
    }
    const frame last = {FRAME_SAMPLE, 0xc0db, (uint16_t)(room - FRAME_AROUND), zeros};
    write_to(&line, &last);
    read_line(room);
    return 0;
}
