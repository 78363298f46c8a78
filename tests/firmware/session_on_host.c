/* A session with the reference model as a library: bytes in, bytes out. What a board adds is not here. */
#include "m_reference.h"
#include "session.h"

static union {
    uint64_t align;
    unsigned char bytes[M_REFERENCE_MEMORY];
} memory;
static tsad detector;
static float sample[M_REFERENCE_CHANNELS];
static unsigned char question[FRAME_AROUND + FRAME_LARGEST_QUESTION(M_REFERENCE_CHANNELS)];
static session line;
static unsigned char *out;
static size_t written;

static void put(unsigned char byte) { out[written++] = byte; }
static uint32_t stack_used(void) { return 0xc0dbu; } /* two bytes that SLIP escapes */

/* As after power on. */
void host_start(void) {
    static const session nothing;
    line = nothing;
    line.model = &m_reference;
    line.config = &m_reference_config;
    line.detector = &detector;
    line.memory = &memory;
    line.memory_size = sizeof memory;
    line.sample = sample;
    line.reader.room = question;
    line.reader.size = sizeof question;
    line.put = put;
    line.stack_used = stack_used;
}

/* Takes bytes, writes answers to `to`, and gives their length. */
size_t host_take(const unsigned char *from, size_t n, unsigned char *to) {
    out = to;
    written = 0;
    for (size_t i = 0; i < n; i++)
        session_take(&line, from[i]);
    return written;
}
