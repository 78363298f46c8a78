/* Each single bit of a small model's weights, flipped: the checksum is another one, and tsad_init refuses the model. */
#include "check.h"
#include "m_reference.h"

#include <stdlib.h>

enum { ARRAYS = 16 };

int main(void) {
    static union {
        uint64_t align;
        unsigned char bytes[M_REFERENCE_MEMORY];
    } memory;
    tsad_span spans[ARRAYS];
    tsad_model m = m_reference;
    tsad d, before;
    uint32_t bits = 0;
    CHECK(m.weight_arrays <= ARRAYS);
    for (uint32_t a = 0; a < m.weight_arrays; a++) {
        const size_t size = (size_t)m.weights[a].count * m.weights[a].width;
        void *copy = malloc(size);
        CHECK(copy != NULL);
        memcpy(copy, m.weights[a].data, size);
        spans[a] = m.weights[a];
        spans[a].data = copy;
    }
    m.weights = spans;
    memset(&d, 0x5a, sizeof d);
    before = d;
    CHECK(tsad_model_check(&m) == TSAD_OK);
    for (uint32_t a = 0; a < m.weight_arrays; a++) {
        unsigned char *bytes = (unsigned char *)(uintptr_t)spans[a].data;
        for (size_t i = 0; i < 8 * (size_t)spans[a].count * spans[a].width; i++, bits++) {
            bytes[i / 8] ^= (unsigned char)(1u << i % 8);
            CHECK(tsad_init(&d, &m, &m_reference_config, &memory, sizeof memory) == TSAD_ERR_CRC);
            bytes[i / 8] ^= (unsigned char)(1u << i % 8);
        }
    }
    CHECK(memcmp(&d, &before, sizeof d) == 0);
    CHECK(bits == 8 * sizeof(float) * 830 && tsad_model_check(&m) == TSAD_OK);
    for (uint32_t a = 0; a < m.weight_arrays; a++)
        free((void *)(uintptr_t)spans[a].data);
    return check_result();
}
