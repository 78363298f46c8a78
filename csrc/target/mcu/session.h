/*
 * session.h - a detector at the end of a line: takes bytes, answers the questions of frame.h.
 *
 * Knows no board: where bytes come from and go to is the caller's business, and all memory is his.
 */
#ifndef TSAD_SESSION_H
#define TSAD_SESSION_H

#include "frame.h"
#include "tsad.h"

/* The caller fills in what stands above the line, with zeros for the rest. */
typedef struct session {
    const tsad_model *model;
    const tsad_config *config;
    tsad *detector;
    void *memory; /* for tsad_init */
    size_t memory_size;
    float *sample;       /* one for each channel */
    frame_reader reader; /* with room for FRAME_AROUND and FRAME_LARGEST_QUESTION */
    void (*put)(unsigned char byte);
    uint32_t (*stack_used)(void);
    /* ------------------------------------------------------------ */
    int started;       /* there was a hello */
    int status;        /* of tsad_init */
    uint32_t number;   /* the session's */
    uint16_t sequence; /* of the last question that was answered */
    unsigned char kind;
    size_t length; /* of its answer, which is kept until the next question */
    unsigned char answer[FRAME_LARGEST_ANSWER];
} session;

/* Takes a byte of the line; answers when it was the end of a question. */
void session_take(session *s, unsigned char byte);

/* Called after each tsad_step, and empty: where a count of its instructions ends. */
void session_stepped(void);

#endif
