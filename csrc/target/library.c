/*
 * library.c - a model's programs, one for each instruction set: the two functions that a host looks for in a model
 * library. The edge binary and the Python module have them, too, for the model that is built in.
 *
 * Compiled once per model with -DTSAD_MODEL=<C name> and -DTSAD_MODEL_HEADER="<C name>.h", and with -DTSAD_WITH_AVX2,
 * -DTSAD_WITH_AVX512 where there are programs with the suffixes _avx2, _avx512. A model library exports nothing else.
 */
#include TSAD_MODEL_HEADER

#include <stdlib.h>
#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define EXPORT __attribute__((visibility("default")))

EXPORT tsad_model_get_fn tsad_model_get;
EXPORT tsad_config_get_fn tsad_config_get;

typedef struct program {
    const tsad_model *model;
    int (*runs_here)(void);
} program;

static int always(void) { return 1; }

#ifdef TSAD_WITH_AVX2
extern const tsad_model JOIN(TSAD_MODEL, _avx2);

static int has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

#ifdef TSAD_WITH_AVX512
extern const tsad_model JOIN(TSAD_MODEL, _avx512);

static int has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

/* The fastest first. */
static const program programs[] = {
#ifdef TSAD_WITH_AVX512
    {&JOIN(TSAD_MODEL, _avx512), has_avx512},
#endif
#ifdef TSAD_WITH_AVX2
    {&JOIN(TSAD_MODEL, _avx2), has_avx2},
#endif
    {&TSAD_MODEL, always},
};

const tsad_model *tsad_model_get(const char *isa) {
    const char *const wanted = isa != NULL ? isa : getenv(TSAD_ISA_VARIABLE);
    for (size_t k = 0; k < sizeof programs / sizeof *programs; k++)
        if ((wanted == NULL || strcmp(wanted, programs[k].model->isa) == 0) && programs[k].runs_here())
            return programs[k].model;
    return NULL;
}

const tsad_config *tsad_config_get(void) { return &JOIN(TSAD_MODEL, _config); }
