/* Sums of the rows of a table that bags of codes name, and the way back. */
#ifndef SESSIONPROMPT_BAGS_H
#define SESSIONPROMPT_BAGS_H

#include <string.h>

#include "_float32.h"

static void add_row(float *restrict to, const float *restrict from, ptrdiff_t dim)
{
    for (ptrdiff_t k = 0; k < dim; k++) to[k] += from[k];
}

static void sum_bags(const Bags *bags)
{
    ptrdiff_t dim = bags->dim, columns = bags->columns;
    memset(bags->to, 0, bags->n * dim * sizeof(float));
    for (ptrdiff_t i = 0; i < bags->n * columns; i++) {
        int64_t row = bags->codes[i];
        if (row >= 0) add_row(bags->to + i / columns * dim, bags->from + row * dim, dim);
    }
}

static void sum_bags_back(const Bags *bags)
{
    ptrdiff_t dim = bags->dim, columns = bags->columns;
    memset(bags->to, 0, bags->n_rows * dim * sizeof(float));
    for (ptrdiff_t i = 0; i < bags->n * columns; i++) {
        int64_t row = bags->codes[i];
        if (row >= 0) add_row(bags->to + row * dim, bags->from + i / columns * dim, dim);
    }
}
#endif
