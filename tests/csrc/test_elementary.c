/* exp, tanh and sigmoid against libm in double, over floats of every exponent, and at their edges. */
#include "elementary.h"

#include "check.h"

#include <math.h>

/* Distance in units in the last place of the f32 next to `exact`. */
static double ulps(float value, double exact) {
    int exponent;
    if ((float)exact == value)
        return 0.0;
    frexp(exact, &exponent);
    if (exponent < -125)
        exponent = -125; /* denormal: the last place stays where it is */
    return fabs((double)value - exact) / ldexp(1.0, exponent - 24);
}

static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

/* The same, and more than any bound where one of them is no number or infinite and the other is not. */
static double error(float value, double exact) {
    const int wrong = isnan(exact) ? !isnan(value) : isinf((float)exact) ? value != (float)exact : !isfinite(value);
    return wrong ? 1e9 : isfinite((float)exact) ? ulps(value, exact) : 0.0;
}

typedef __typeof__(TSAD_K(exp_f32)) unary;

/* What the kernel gives, whose loop is vector code; apart by a prime the floats have all patterns of low bits. */
static void sweep(const char *name, unary kernel, double (*exact)(double), double bound, uint32_t apart) {
    enum { BLOCK = 4096 };
    float x[BLOCK], y[BLOCK], at = 0.0f;
    double worst = 0.0;
    for (uint64_t bits = 0; bits < UINT64_C(0x100000000);) {
        for (size_t i = 0; i < BLOCK; i++, bits += apart)
            x[i] = tsad_from_bits((uint32_t)bits);
        kernel(1, BLOCK, x, 0, y, 0);
        for (size_t i = 0; i < BLOCK; i++) {
            const double found = error(y[i], exact((double)x[i]));
            if (found > worst) {
                worst = found;
                at = x[i];
            }
        }
    }
    printf("%s: %.2f ulp at %.9g\n", name, worst, (double)at);
    CHECK(worst <= bound);
}

static void edges(void) {
    const float inf = INFINITY, zero = 0.0f;
    CHECK(tsad_exp(inf) == inf && tsad_exp(-inf) == zero && tsad_exp(zero) == 1.0f);
    CHECK(tsad_exp(88.72f) < inf && tsad_exp(88.73f) == inf);
    CHECK(tsad_exp(-103.9f) > zero && tsad_exp(-104.1f) == zero);
    CHECK(tsad_tanh(inf) == 1.0f && tsad_tanh(-inf) == -1.0f && tsad_tanh(20.0f) == 1.0f);
    CHECK(tsad_tanh(1e-40f) == 1e-40f && tsad_to_bits(tsad_tanh(-zero)) == 0x80000000u);
    CHECK(tsad_sigmoid(inf) == 1.0f && tsad_sigmoid(-inf) == zero && tsad_sigmoid(zero) == 0.5f);
    CHECK(isnan(tsad_exp(NAN)) && isnan(tsad_tanh(NAN)) && isnan(tsad_sigmoid(NAN)) && isnan(tsad_relu(NAN)));
    CHECK(isnan(tsad_exp(-NAN)) && isnan(tsad_tanh(-NAN)) && isnan(tsad_sigmoid(-NAN)));
    CHECK(tsad_relu(-2.0f) == zero && tsad_relu(2.0f) == 2.0f && tsad_abs(-3.0f) == 3.0f);
    for (float x = -20.0f; x < 20.0f; x += 0.001f)
        CHECK(tsad_tanh(x) == -tsad_tanh(-x) && fabsf(tsad_tanh(x)) <= 1.0f && tsad_sigmoid(x) <= 1.0f);
}

int main(int argc, char **argv) {
    const uint32_t apart = stride(argc, argv, 2039);
    sweep("exp", TSAD_K(exp_f32), exp, 1.0, apart);
    sweep("tanh", TSAD_K(tanh_f32), tanh, 2.0, apart);
    sweep("sigmoid", TSAD_K(sigmoid_f32), sigmoid, 3.0, apart);
    edges();
    return check_result();
}
