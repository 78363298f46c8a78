/* See m_tiny.h. In the form that the code generator gives its programs, written by hand. */
#ifndef TSAD_SUFFIX
#define TSAD_WEIGHTS
#endif
#include "m_tiny.h"

#include "kernels.h"

static void enter(const float *sample, const float *table, void *slot) {
    TSAD_K(enter_f32)(2, sample, table, (float *)slot);
}

static void forward(const void *slots, size_t n, float *scores, float *parts, void *arena) {
    const float *window = (const float *)slots;
    float *shares = (float *)arena; /* (2) */
    TSAD_TAP(0, window, (3 + n - 1) * 2);
    TSAD_K(sum_f32)(n, 1, 3, 2, 1.0f, window, 2, shares, 2);
    TSAD_TAP(1, shares, n * 2);
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 2; c++)
            shares[2 * i + c] *= m_tiny_gain[c];
        scores[i] = shares[2 * i] + shares[2 * i + 1];
        if (parts != NULL) {
            parts[2 * i] = shares[2 * i];
            parts[2 * i + 1] = shares[2 * i + 1];
        }
    }
    TSAD_TAP(2, scores, n);
}

static const char *const channel_names[] = {"a", "b"};

static const tsad_span weights[] = {{"enter", m_tiny_enter, 4, 4}, {"gain", m_tiny_gain, 2, 4}};

const tsad_model TSAD_SYMBOL(m_tiny) = {
    TSAD_MODEL_ABI,
    0x2204c7ccu,
    "m_tiny",
    "0000000000000000000000000000000000000000000000000000000000000000",
    TSAD_ISA,
    "generic",
    weights,
    2,
    2,
    channel_names,
    3,
    2,
    8,
    0,
    8,
    m_tiny_enter,
    4,
    enter,
    forward,
    0,
    NULL,
    NULL,
    0,
};

const tsad_config TSAD_SYMBOL(m_tiny_config) = {.size = sizeof(tsad_config), .threshold = 10.0f};
