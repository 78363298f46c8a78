/* Placeholder in the generator's form, written by hand: an autoencoder with closed-form weights. */
#define TSAD_WEIGHTS
#include "m_reference.h"

#include "kernels.h"

#if TSAD_MODEL_ABI != 1
#error "m_reference was generated for model ABI 1: convert it again"
#endif
#ifndef TSAD_LAYOUT_GENERIC
#error "m_reference was generated for the layout generic: convert it again"
#endif

static void enter(const float *sample, const float *table, void *slot) {
    TSAD_K(enter_f32)(3, sample, table, (float *)slot);
}

static void forward(const void *slots, size_t n, float *scores, float *parts, void *arena) {
    static const size_t flat[3] = {1, 1, 48}, dense[3] = {48, 48, 1}, share[3] = {1, 1, 3}, row[3] = {3, 3, 1};
    const float *window = (const float *)slots;
    float *code = (float *)arena;         /* (8) */
    float *error = code + n * 8;          /* (16, 3) */
    float *shares = error + n * 48;       /* (3) */
    TSAD_TAP(0, window, (16 + n - 1) * 3);
    /* encoder */
    TSAD_K(linear_f32)(n, 1, 48, 8, window, 3, m_reference_w0, m_reference_b0, TSAD_ACT_TANH, code, 8);
    TSAD_TAP(1, code, n * 8);
    /* decoder */
    TSAD_K(linear_f32)(n, 1, 8, 48, code, 8, m_reference_w1, m_reference_b1, TSAD_ACT_NONE, error, 48);
    TSAD_TAP(2, error, n * 48);
    TSAD_K(sub_f32)(n, flat, error, 48, dense, window, 3, dense, error, 48);
    TSAD_TAP(3, error, n * 48);
    TSAD_K(mul_f32)(n, flat, error, 48, dense, error, 48, dense, error, 48);
    TSAD_TAP(4, error, n * 48);
    TSAD_K(sum_f32)(n, 1, 16, 3, 0.0625f, error, 48, shares, 3);
    TSAD_TAP(5, shares, n * 3);
    TSAD_K(sum_f32)(n, 1, 3, 1, 0.33333334f, shares, 3, scores, 1);
    TSAD_TAP(6, scores, n);
    if (parts != NULL)
        TSAD_K(copy_f32)(n, share, shares, 3, row, parts, 3, row);
}

static const tsad_span weights[] = {
    {"enter", m_reference_table, 6, 4},
    {"encoder.weight", m_reference_w0, 384, 4},
    {"encoder.bias", m_reference_b0, 8, 4},
    {"decoder.weight", m_reference_w1, 384, 4},
    {"decoder.bias", m_reference_b1, 48, 4},
};

const tsad_model TSAD_SYMBOL(m_reference) = {
    TSAD_MODEL_ABI, 0x893c3b49u, "m_reference", "0000000000000000000000000000000000000000000000000000000000000000", TSAD_ISA, "generic",
    weights, 5, 3, 16, 3, 12, 0, 240,
    m_reference_table, 6, enter, forward,
    0, NULL, NULL,
};

const tsad_config m_reference_config = {3.0f};
