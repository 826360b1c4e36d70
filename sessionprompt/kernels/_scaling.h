/* Rows scaled to length one, sums with them, and the way back. */
#ifndef SESSIONPROMPT_SCALING_H
#define SESSIONPROMPT_SCALING_H

#include <math.h>

#include "_float32.h"
#include "_lanes.h"

static void scale_rows(const Scaling *scaling)
{
    ptrdiff_t dim = scaling->dim;
    for (ptrdiff_t i = 0; i < scaling->n; i++) {
        const float *restrict from = scaling->from + i * dim;
        float *restrict to = scaling->to + i * dim;
        float length = sqrtf(dot(from, from, dim));
        float factor = 1 / fmaxf(length, scaling->least);
        scaling->lengths[i] = length;
        for (ptrdiff_t k = 0; k < dim; k++) to[k] = from[k] * factor;
    }
}

/* What lies along a scaled row changes its length only, which is lost unless it is below `least`.
 */
static void scale_back(const Scaling *scaling)
{
    ptrdiff_t dim = scaling->dim;
    for (ptrdiff_t i = 0; i < scaling->n; i++) {
        const float *restrict from = scaling->from + i * dim;
        const float *restrict scaled = scaling->scaled + i * dim;
        float *restrict to = scaling->to + i * dim;
        float length = scaling->lengths[i], along = 0;
        if (length >= scaling->least) along = dot(from, scaled, dim);
        float factor = 1 / fmaxf(length, scaling->least);
        for (ptrdiff_t k = 0; k < dim; k++) to[k] = (from[k] - along * scaled[k]) * factor;
    }
}

static void unit_sums(const UnitSums *sums)
{
    ptrdiff_t dim = sums->dim;
    for (ptrdiff_t i = 0; i < sums->n; i++) {
        const float *restrict x = sums->x + i * dim, *restrict added = sums->added + i * dim;
        float *restrict to = sums->to + i * dim;
        sums->x_lengths[i] = fmaxf(sqrtf(dot(x, x, dim)), sums->least);
        float factor = 1 / sums->x_lengths[i];
        for (ptrdiff_t k = 0; k < dim; k++) to[k] = x[k] * factor + added[k];
        sums->lengths[i] = fmaxf(sqrtf(dot(to, to, dim)), sums->least);
        factor = 1 / sums->lengths[i];
        for (ptrdiff_t k = 0; k < dim; k++) to[k] *= factor;
    }
}

static void unit_sums_back(const UnitSums *sums)
{
    ptrdiff_t dim = sums->dim;
    for (ptrdiff_t i = 0; i < sums->n; i++) {
        const float *restrict from = sums->added + i * dim, *restrict x = sums->x + i * dim;
        const float *restrict scaled = sums->scaled + i * dim;
        float *restrict to_added = sums->to_added + i * dim, *restrict to = sums->to + i * dim;
        float along = dot(from, scaled, dim), factor = 1 / sums->lengths[i];
        for (ptrdiff_t k = 0; k < dim; k++) to_added[k] = (from[k] - along * scaled[k]) * factor;
        factor = 1 / sums->x_lengths[i];
        along = dot(to_added, x, dim) * factor * factor;
        for (ptrdiff_t k = 0; k < dim; k++) to[k] = (to_added[k] - along * x[k]) * factor;
    }
}
#endif
