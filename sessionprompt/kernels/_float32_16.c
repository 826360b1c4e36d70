/* The float32 kernels for registers of 512 bits: AVX-512. */
#ifdef __x86_64__
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,fma"))), apply_to = function)
#else
#pragma GCC target("avx512f,fma")
#endif
#define LANES 16
#include "_bags.h"
#include "_candidates.h"
#include "_recurrent.h"
#include "_rows.h"
#include "_scaling.h"

const Kernels kernels_of_16 = {
    LANES, candidate_loss, step_rows, scale_rows, scale_back, unit_sums, unit_sums_back, sum_bags,
    sum_bags_back, run, run_back,
};

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
