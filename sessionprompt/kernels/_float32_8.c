/* The float32 kernels for registers of 256 bits: AVX2, or whatever other processors have. */
#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif
#endif
#define LANES 8
#include "_bags.h"
#include "_candidates.h"
#include "_recurrent.h"
#include "_rows.h"
#include "_scaling.h"

const Kernels kernels_of_8 = {
    LANES, candidate_loss, step_rows, scale_rows, scale_back, unit_sums, unit_sums_back, sum_bags,
    sum_bags_back, run, run_back,
};

#if defined(__x86_64__) && defined(__clang__)
#pragma clang attribute pop
#endif
