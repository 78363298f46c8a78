/*
 * library.c - what makes a shared object out of a generated model: the two functions a host looks for in it.
 *
 * Compiled once per model with -DTSAD_MODEL=<C name> and -DTSAD_MODEL_HEADER="<C name>.h"; nothing else is exported.
 */
#include TSAD_MODEL_HEADER

#include <string.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define EXPORT __attribute__((visibility("default")))

EXPORT tsad_model_get_fn tsad_model_get;
EXPORT tsad_config_get_fn tsad_config_get;

const tsad_model *tsad_model_get(const char *isa) {
    return isa == NULL || strcmp(isa, TSAD_MODEL.isa) == 0 ? &TSAD_MODEL : NULL;
}

const tsad_config *tsad_config_get(void) { return &JOIN(TSAD_MODEL, _config); }
