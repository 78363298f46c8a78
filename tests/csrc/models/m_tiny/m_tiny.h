/* A model small enough to work out by hand: C = 2, W = 3, score = sum over channels of gain * sum over time of slots.
 */
#ifndef M_TINY_H
#define M_TINY_H

#include "tsad.h"

#define M_TINY_WINDOW 3
#define M_TINY_CHANNELS 2
#define M_TINY_PARTS 2
#define M_TINY_MEMORY TSAD_MEMORY_SIZE(3, 8, 0, 2, 0, 8, 1)

#ifdef __cplusplus
extern "C" {
#endif
extern const tsad_model m_tiny;
extern const tsad_config m_tiny_config;
#ifdef __cplusplus
}
#endif

#ifdef TSAD_WEIGHTS
const float m_tiny_enter[4] = {1.0f, -1.0f, 0.5f, 2.0f};
const float m_tiny_gain[2] = {1.0f, 2.0f};
#elif defined TSAD_SUFFIX
extern const float m_tiny_enter[4];
extern const float m_tiny_gain[2];
#endif

#endif
