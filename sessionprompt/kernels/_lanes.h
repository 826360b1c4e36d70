/* Registers of float32 as vectors of the compiler (GCC and Clang), and their exponentials.
 *
 * A file that includes this one says for which processor it is compiled, and how many float32 its
 * registers hold: LANES.
 */
#ifndef SESSIONPROMPT_LANES_H
#define SESSIONPROMPT_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif
#define INLINE static inline __attribute__((always_inline)) /* constants must reach the loops */

typedef float Lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE Lanes load(const float *from) { return *(const Unaligned *)from; }

INLINE void store(float *to, Lanes x) { *(Unaligned *)to = x; }

/* The same of the first n lanes, where a row ends. */
INLINE Lanes load_some(const float *from, ptrdiff_t n)
{
    if (n >= LANES) return load(from);
    Lanes x = {0};
    memcpy(&x, from, n * sizeof(float));
    return x;
}

INLINE void store_some(float *to, Lanes x, ptrdiff_t n)
{
    if (n >= LANES) store(to, x);
    else memcpy(to, &x, n * sizeof(float));
}

/* The same number in all lanes. */
INLINE Lanes all_of(float x) { return x - (Lanes){0}; }

/* Lanes of x where a comparison holds, of y elsewhere. */
INLINE Lanes chosen(Bits holds, Lanes x, Lanes y)
{
    return (Lanes)((holds & (Bits)x) | (~holds & (Bits)y));
}

INLINE Lanes size_of(Lanes x) { return (Lanes)((Bits)x & 0x7fffffffu); }

INLINE Lanes larger(Lanes x, Lanes y) { return chosen((Bits)(x > y), x, y); }

/* Inner product of n numbers. */
static float dot(const float *x, const float *y, ptrdiff_t n)
{
    Lanes sums = {0};
    ptrdiff_t k = 0;
    for (; n - k >= LANES; k += LANES) sums += load(x + k) * load(y + k);
    float sum = 0;
    for (; k < n; k++) sum += x[k] * y[k];
    for (int l = 0; l < LANES; l++) sum += sums[l];
    return sum;
}

/* 2^x for x <= 0, with a relative error of at most 2.1e-7; 0 below 2^-126.
 *
 * The polynomial is that of `_vectors.h`. Adding 1.5 * 2^23 rounds x to a whole number, which the
 * last bits of the sum hold; shifted, it is added to the exponent of the result. */
INLINE Lanes exp2_of(Lanes x)
{
    const float rounding = 12582912.0f;
    Lanes shifted = x + rounding;
    Lanes part = x - (shifted - rounding);
    Lanes sum = all_of(0.00132669704f);
    sum = sum * part + 0.00967545975f;
    sum = sum * part + 0.0555074262f;
    sum = sum * part + 0.240221218f;
    sum = sum * part + 0.693146949f;
    sum = sum * part + 1.00000007f;
    Bits result = (Bits)sum + ((Bits)shifted << 23);
    return (Lanes)(result & ~(Bits)(x < -126.0f)); /* NaN stays */
}

static const float LOG2E = 1.44269504f;

INLINE Lanes sigmoid_of(Lanes x)
{
    Lanes less = exp2_of(size_of(x) * -LOG2E);
    Lanes share = 1.0f / (1.0f + less);
    return chosen((Bits)(x < 0.0f), less * share, share);
}

INLINE Lanes tanh_of(Lanes x)
{
    Lanes less = exp2_of(size_of(x) * (-2 * LOG2E));
    Lanes result = (1.0f - less) / (1.0f + less);
    return (Lanes)((Bits)result | ((Bits)x & 0x80000000u)); /* with its sign */
}
#endif
