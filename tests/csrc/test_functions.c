/* The functions of functions.h against libm in double, over floats of every exponent, and at their edges. */
#include "functions.h"

#include "check.h"

#include <math.h>

/* Distance in units in the last place of the f32 next to `scale`. */
static double ulps(float value, double exact, double scale) {
    int exponent;
    if ((float)exact == value)
        return 0.0;
    frexp(scale, &exponent);
    if (exponent < -125)
        exponent = -125; /* denormal: the last place stays where it is */
    return fabs((double)value - exact) / ldexp(1.0, exponent - 24);
}

static int wrong(float y, double want) {
    return isnan(want) ? !isnan(y) : isinf((float)want) ? y != (float)want : isnan(y);
}

/* Every 1021st float (a prime: all patterns of low bits); `of_x` measures in units of the argument. */
static void sweep(const char *name, float (*f)(float), double (*exact)(double), int of_x, double bound) {
    double worst = 0.0;
    float at = 0.0f;
    for (uint64_t bits = 0; bits < UINT64_C(0x100000000); bits += 1021) {
        const float x = tsad_from_bits((uint32_t)bits), y = f(x);
        const double want = exact((double)x);
        const double found = wrong(y, want)          ? 1e9
                             : isfinite((float)want) ? ulps(y, want, of_x ? (double)x : want)
                                                     : 0.0;
        if (found > worst) {
            worst = found;
            at = x;
        }
    }
    printf("%s: %.2f ulp at %.9g\n", name, worst, (double)at);
    CHECK(worst <= bound);
}

/* All floats around one, where differences cancel. */
static void near(const char *name, float (*f)(float), double (*exact)(double), float centre, double bound) {
    double worst = 0.0;
    for (uint32_t k = 0; k < 2000001u; k++) {
        const float x = tsad_from_bits(tsad_to_bits(centre) + k - 1000000u);
        const double found = wrong(f(x), exact((double)x)) ? 1e9 : ulps(f(x), exact((double)x), exact((double)x));
        worst = found > worst ? found : worst;
    }
    printf("%s around %g: %.2f ulp\n", name, (double)centre, worst);
    CHECK(worst <= bound);
}

static double rsqrt(double x) { return 1.0 / sqrt(x); }
static double silu(double x) { return x / (1.0 + exp(-x)); }
static float silu_above(float x) { return x < -87.0f ? 0.0f : tsad_silu(x); }
static double silu_exact(double x) { return x < -87.0 ? 0.0 : silu(x); }
static double softplus(double x) { return (x > 0.0 ? x : 0.0) + log1p(exp(-fabs(x))); }
static double gelu(double x) { return 0.5 * x * erfc(-x * 0.70710678118654752); }
static double gelu_tanh(double x) { return 0.5 * x * (1.0 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x))); }

/* Floats that lie next to multiples of pi / 2, so that almost all digits cancel. */
static void zeros(void) {
    for (double k = 1.0; k < 1e30; k = floor(k * 1.01) + 1.0) {
        const float x = (float)(k * 1.57079632679489662);
        CHECK(ulps(tsad_sin(x), sin((double)x), sin((double)x)) <= 3.0);
        CHECK(ulps(tsad_cos(-x), cos((double)x), cos((double)x)) <= 3.0);
    }
    CHECK(ulps(tsad_cos(16367173.0f * 4722366482869645213696.0f), cos(16367173.0 * 4722366482869645213696.0), 1e-9) <=
          3.0); /* the float that comes closest to such a multiple */
}

static void edges(void) {
    const float inf = INFINITY, zero = 0.0f;
    CHECK(tsad_sqrt(zero) == zero && tsad_sqrt(inf) == inf && isnan(tsad_sqrt(-1.0f)) && tsad_sqrt(-zero) == zero);
    CHECK(tsad_rsqrt(zero) == inf && tsad_rsqrt(inf) == zero && isnan(tsad_rsqrt(-inf)));
    for (float k = 0.0f; k < 4096.0f; k += 1.0f)
        CHECK(tsad_sqrt(k * k) == k);
    CHECK(tsad_log(zero) == -inf && tsad_log(-zero) == -inf && tsad_log(inf) == inf && isnan(tsad_log(-1e-45f)));
    CHECK(tsad_log(1.0f) == zero && tsad_log1p(zero) == zero && tsad_log1p(-1.0f) == -inf && tsad_log1p(inf) == inf);
    CHECK(isnan(tsad_log1p(-1.0001f)) && isnan(tsad_log1p(-inf)));
    CHECK(tsad_expm1(inf) == inf && tsad_expm1(-inf) == -1.0f && tsad_expm1(zero) == zero);
    CHECK(tsad_erf(inf) == 1.0f && tsad_erf(-inf) == -1.0f && tsad_erf(1e-45f) > zero);
    CHECK(isnan(tsad_sin(inf)) && isnan(tsad_cos(-inf)) && tsad_cos(zero) == 1.0f);
    CHECK(tsad_round(0.5f) == zero && tsad_round(1.5f) == 2.0f && tsad_round(-2.5f) == -2.0f);
    CHECK(tsad_floor(-0.5f) == -1.0f && tsad_floor(8388607.5f) == 8388607.0f && tsad_floor(-inf) == -inf);
    CHECK(tsad_sign(-1e-45f) == -1.0f && tsad_sign(-zero) == zero && tsad_sign(inf) == 1.0f);
    CHECK(tsad_gelu(-1e30f) == zero && tsad_gelu(1e30f) == 1e30f && tsad_gelu_tanh(1e30f) == 1e30f);
    for (float x = -110.0f; x < -87.0f; x += 0.01f)
        CHECK(fabs((double)tsad_silu(x) - silu((double)x)) < 2e-43);
    CHECK(tsad_silu(-1e30f) == zero && isnan(tsad_silu(-inf)) && isnan(tsad_gelu(-inf))); /* as PyTorch's */
    CHECK(tsad_softplus(inf) == inf && tsad_softplus(-inf) == zero && tsad_silu(inf) == inf);
}

static void not_a_number(void) {
    float (*const all[])(float) = {tsad_sqrt, tsad_rsqrt,     tsad_log,  tsad_log1p,    tsad_expm1,
                                   tsad_erf,  tsad_gelu,      tsad_silu, tsad_softplus, tsad_sin,
                                   tsad_cos,  tsad_gelu_tanh, tsad_sign, tsad_floor,    tsad_round};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHECK(isnan(all[i](NAN)) && isnan(all[i](-NAN)));
}

int main(void) {
    sweep("sqrt", tsad_sqrt, sqrt, 0, 1.0);
    sweep("rsqrt", tsad_rsqrt, rsqrt, 0, 2.0);
    sweep("log", tsad_log, log, 0, 1.0);
    sweep("log1p", tsad_log1p, log1p, 0, 2.0);
    sweep("expm1", tsad_expm1, expm1, 0, 2.0);
    sweep("erf", tsad_erf, erf, 0, 2.0);
    sweep("sin", tsad_sin, sin, 0, 3.0);
    sweep("cos", tsad_cos, cos, 0, 3.0);
    sweep("floor", tsad_floor, floor, 0, 0.0);
    sweep("round", tsad_round, nearbyint, 0, 0.0);
    sweep("silu", silu_above, silu_exact, 0, 4.0);
    sweep("softplus", tsad_softplus, softplus, 0, 3.0);
    sweep("gelu", tsad_gelu, gelu, 1, 2.0);
    sweep("gelu_tanh", tsad_gelu_tanh, gelu_tanh, 1, 2.0);
    near("log", tsad_log, log, 1.0f, 2.0);
    near("log", tsad_log, log, 0.70710678f, 2.0);
    near("log", tsad_log, log, 1.41421356f, 2.0);
    near("erf", tsad_erf, erf, 0.95f, 2.0);
    near("expm1", tsad_expm1, expm1, 0.34657359f, 2.0);
    near("expm1", tsad_expm1, expm1, -0.34657359f, 2.0);
    near("log1p", tsad_log1p, log1p, -0.29289322f, 2.0);
    zeros();
    edges();
    not_a_number();
    return check_result();
}
