/* Rows scaled to length one, and the way back. */
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
#endif
