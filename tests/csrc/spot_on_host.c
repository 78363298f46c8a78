/* The detector's SPOT for test_spot.py, by way of ctypes: a tail learnt, and what each score is held against. */
#include "m_tiny.h"
#include "tsad_statistics.h"

#include <stdlib.h>

/* 1: a tail was learnt. */
int learn(const float *scores, uint32_t n, float risk, tsad_tail *tail) {
    tsad_highest highest = {0, 0, {0.0f}};
    for (uint32_t i = 0; i < n; i++)
        tsad_highest_add(&highest, scores[i]);
    return tsad_tail_learn(&highest, risk, tail);
}

int run(const tsad_spot_config *spot, float threshold, const float *scores, size_t n, float *thresholds) {
    tsad_config c = m_tiny_config;
    tsad d;
    tsad_result r;
    c.threshold = threshold;
    c.spot = *spot;
    const size_t size = tsad_memory_size(&m_tiny, &c, 1);
    void *memory = malloc(size);
    const int status = memory == NULL ? TSAD_ERR_MEMORY : tsad_init(&d, &m_tiny, &c, memory, size);
    for (size_t i = 0; status == TSAD_OK && i < n; i++) {
        thresholds[i] = d.threshold;
        tsad_decide(&d, i, scores[i], NULL, &r);
    }
    free(memory);
    return status;
}
