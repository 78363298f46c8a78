/* frame.c - see frame.h. Bytes in, frames out, and back; knows no detector and no board. */
#include "frame.h"

static uint16_t crc_add(uint16_t crc, unsigned char byte) {
    uint32_t c = crc ^ ((uint32_t)byte << 8);
    for (int bit = 0; bit < 8; bit++)
        c = c & 0x8000u ? (c << 1) ^ 0x1021u : c << 1;
    return (uint16_t)c;
}

static uint16_t get_u16(const unsigned char *from) { return (uint16_t)(from[0] | from[1] << 8); }

/* Whether what was collected is a frame: one is never shorter than what stands around its payload. */
static int is_good(const frame_reader *r) {
    uint16_t crc = 0xffff;
    if (r->spoilt || r->escaped || r->used < FRAME_AROUND || get_u16(r->room + 3) != r->used - FRAME_AROUND)
        return 0;
    for (size_t i = 0; i < r->used - 2; i++)
        crc = crc_add(crc, r->room[i]);
    return crc == get_u16(r->room + r->used - 2);
}

int frame_read(frame_reader *r, unsigned char byte, frame *f) {
    if (byte == FRAME_END) {
        const int good = is_good(r);
        if (good) {
            f->kind = r->room[0];
            f->sequence = get_u16(r->room + 1);
            f->length = get_u16(r->room + 3);
            f->payload = r->room + 5;
        }
        r->used = 0;
        r->escaped = r->spoilt = 0;
        return good;
    }
    if (byte == FRAME_ESCAPE) {
        r->spoilt |= r->escaped;
        r->escaped = 1;
        return 0;
    }
    if (r->escaped) {
        r->escaped = 0;
        r->spoilt |= byte != FRAME_ESCAPED_END && byte != FRAME_ESCAPED_ESCAPE;
        byte = byte == FRAME_ESCAPED_END ? FRAME_END : FRAME_ESCAPE;
    }
    if (r->used < r->size)
        r->room[r->used++] = byte;
    else
        r->spoilt = 1;
    return 0;
}

static void put_escaped(unsigned char byte, void (*put)(unsigned char byte)) {
    if (byte == FRAME_END || byte == FRAME_ESCAPE) {
        put(FRAME_ESCAPE);
        byte = byte == FRAME_END ? FRAME_ESCAPED_END : FRAME_ESCAPED_ESCAPE;
    }
    put(byte);
}

void frame_write(const frame *f, void (*put)(unsigned char byte)) {
    const unsigned char head[5] = {f->kind, (unsigned char)f->sequence, (unsigned char)(f->sequence >> 8),
                                   (unsigned char)f->length, (unsigned char)(f->length >> 8)};
    uint16_t crc = 0xffff;
    put(FRAME_END);
    for (size_t i = 0; i < sizeof head + f->length; i++) {
        const unsigned char byte = i < sizeof head ? head[i] : f->payload[i - sizeof head];
        crc = crc_add(crc, byte);
        put_escaped(byte, put);
    }
    put_escaped((unsigned char)crc, put);
    put_escaped((unsigned char)(crc >> 8), put);
    put(FRAME_END);
}

/* ---------------------------------------------------------------- numbers */

typedef union float_bits {
    float value;
    uint32_t bits;
} float_bits;

uint32_t frame_get_u32(const unsigned char *from) {
    return (uint32_t)from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

uint64_t frame_get_u64(const unsigned char *from) {
    return (uint64_t)frame_get_u32(from) | (uint64_t)frame_get_u32(from + 4) << 32;
}

float frame_get_f32(const unsigned char *from) {
    float_bits u;
    u.bits = frame_get_u32(from);
    return u.value;
}

unsigned char *frame_put_u32(unsigned char *to, uint32_t value) {
    for (int i = 0; i < 4; i++)
        *to++ = (unsigned char)(value >> 8 * i);
    return to;
}

unsigned char *frame_put_u64(unsigned char *to, uint64_t value) {
    return frame_put_u32(frame_put_u32(to, (uint32_t)value), (uint32_t)(value >> 32));
}

unsigned char *frame_put_f32(unsigned char *to, float value) {
    float_bits u;
    u.value = value;
    return frame_put_u32(to, u.bits);
}
