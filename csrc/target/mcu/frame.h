/*
 * frame.h - the protocol between a host and a firmware, stated here and nowhere else, and its frames in C.
 *
 * The host asks, the firmware answers, one question at a time. A frame may get lost, damaged or repeated on its way.
 *
 *   frame   kind u8, sequence u16, length u16, payload of that many bytes, CRC u16. All numbers are little-endian,
 *           a float is its bits as u32.
 *   CRC     CRC-16/CCITT-FALSE of all before it: polynomial 0x1021, start 0xffff, most significant bit first
 *   line    the frame as SLIP (RFC 1055): FRAME_END before and after it; in it, FRAME_ESCAPE FRAME_ESCAPED_END stands
 *           for FRAME_END, and FRAME_ESCAPE FRAME_ESCAPED_ESCAPE for FRAME_ESCAPE
 *
 * A frame that is too long, not of the length it states, or whose CRC is another one, is dropped: whatever happens on
 * the line, FRAME_END is the start of a new frame. A host that gets no answer in time asks again, with the same
 * sequence number. The firmware knows it, and sends the answer it gave before: no sample is taken twice. A host drops
 * answers with another number than its question's, and both drop what is not for them: a line may echo.
 *
 *   question        payload                      answer's payload
 *   FRAME_HELLO     session u32                  status i8 of tsad_init, ABI u32, weights' CRC u32, channels u32,
 *                                                window u32, model id (64 bytes), model name (the rest)
 *   FRAME_SAMPLE    t u64, C floats              status i8 of tsad_step, alarm u8, event u8, quality u8, score float;
 *                                                and the record when event is TSAD_EVENT_ENDED
 *   FRAME_FINISH    nothing                      u8: 1 and the record when an event was open, else 0
 *   FRAME_STACK     nothing                      u32: the most bytes of stack used since the start
 *
 *   record          id u64, start u64, end u64, peak float, peak_t u64, top i32
 *
 * FRAME_HELLO starts a session: the detector forgets all, and the numbers go on from the hello's. The session's number
 * is any that differs from the last one's; the same again is a repetition, which is answered and starts nothing.
 *
 * An answer's kind is the question's with FRAME_ANSWER added. FRAME_REFUSED answers a question that cannot be, with one
 * byte: FRAME_NO_SESSION (there was no hello, or tsad_init failed), FRAME_BAD_SEQUENCE (neither the next number nor
 * the last one), FRAME_BAD_QUESTION (unknown kind, or a payload of another length).
 */
#ifndef TSAD_FRAME_H
#define TSAD_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum frame_line { FRAME_END = 0xc0, FRAME_ESCAPE = 0xdb, FRAME_ESCAPED_END = 0xdc, FRAME_ESCAPED_ESCAPE = 0xdd };
enum frame_kind { FRAME_HELLO = 1, FRAME_SAMPLE = 2, FRAME_FINISH = 3, FRAME_STACK = 4 };
enum frame_answer { FRAME_ANSWER = 0x80, FRAME_REFUSED = 0xff };
enum frame_refusal { FRAME_NO_SESSION = 1, FRAME_BAD_SEQUENCE = 2, FRAME_BAD_QUESTION = 3 };

/* Bytes of a frame around its payload, of the largest answer's payload, and of the largest question's. */
enum frame_size { FRAME_AROUND = 7, FRAME_LARGEST_ANSWER = 128 };
#define FRAME_LARGEST_QUESTION(channels) (8u + 4u * (channels))

typedef struct frame {
    uint8_t kind;
    uint16_t sequence;
    uint16_t length;
    const unsigned char *payload;
} frame;

/* Collects bytes of the line; {room, size} with zeros for the rest is a reader at its start. */
typedef struct frame_reader {
    unsigned char *room; /* for a frame without what SLIP adds */
    size_t size;
    size_t used;
    int escaped; /* the last byte was FRAME_ESCAPE */
    int spoilt;  /* too long, or an escape of nothing: dropped at its end */
} frame_reader;

/* Takes a byte. 1: it was the end of a good frame, which *f now is, until the next call; 0: not yet. */
int frame_read(frame_reader *r, unsigned char byte, frame *f);

/* Sends a frame, byte by byte. */
void frame_write(const frame *f, void (*put)(unsigned char byte));

/* Numbers in payloads. Writers give the place behind what they wrote. */
uint32_t frame_get_u32(const unsigned char *from);
uint64_t frame_get_u64(const unsigned char *from);
float frame_get_f32(const unsigned char *from);
unsigned char *frame_put_u32(unsigned char *to, uint32_t value);
unsigned char *frame_put_u64(unsigned char *to, uint64_t value);
unsigned char *frame_put_f32(unsigned char *to, float value);

#endif
