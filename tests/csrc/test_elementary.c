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

static void sweep(const char *name, float (*f)(float), double (*exact)(double), double bound) {
    double worst = 0.0;
    float at = 0.0f;
    for (uint64_t bits = 0; bits < UINT64_C(0x100000000); bits += 2039) { /* a prime: all patterns of low bits */
        const float x = tsad_from_bits((uint32_t)bits);
        if (isnan(x))
            continue;
        const float y = f(x);
        const double want = exact((double)x);
        if (isinf((float)want) ? y != (float)want : !(ulps(y, want) <= worst)) {
            worst = isinf((float)want) ? 1e9 : ulps(y, want);
            at = x;
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

int main(void) {
    sweep("exp", tsad_exp, exp, 1.0);
    sweep("tanh", tsad_tanh, tanh, 2.0);
    sweep("sigmoid", tsad_sigmoid, sigmoid, 3.0);
    edges();
    return check_result();
}
