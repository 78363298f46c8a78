/*
 * callgrind.h - stands in for Valgrind's: benchmarks/kernel_calls.c, which calls every kernel, then says after each
 * call what the kernel made instead of what it took.
 */
#include <stddef.h>
#include <stdint.h>

#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#define CALLGRIND_DUMP_STATS_AT(label) tell(label, y, sizeof y, y16, sizeof y16, acc, sizeof acc)

/* The label and a sum of all that kernels write to: floats, s16 values, s32 sums; sizes in bytes. */
void tell(const char *label, const float *y, size_t y_size, const int16_t *y16, size_t y16_size, const int32_t *acc,
          size_t acc_size);
