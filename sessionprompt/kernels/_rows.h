/* A step of Adam for some rows of a table. */
#ifndef SESSIONPROMPT_ROWS_H
#define SESSIONPROMPT_ROWS_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "_float32.h"

enum { AHEAD = 4 };

/* See torch.optim.Adam, whose order of operations this keeps. */
static void step_row(const RowStep *step, int64_t row, const float *restrict gradient)
{
    float *restrict x = step->table + row * step->dim;
    float *restrict mean = step->mean + row * step->dim;
    float *restrict square = step->square + row * step->dim;
    /* 1 - .999 would lose five digits in single precision */
    float to_mean = (float)(1 - step->beta1), to_square = (float)(1 - step->beta2);
    float kept = (float)step->beta2, to_root = (float)(1 / step->correction);
    float rate = (float)step->rate, epsilon = (float)step->epsilon, decay = (float)step->decay;
    for (ptrdiff_t k = 0; k < step->dim; k++) {
        float g = gradient[k] + decay * x[k];
        mean[k] += to_mean * (g - mean[k]);
        square[k] = kept * square[k] + to_square * g * g;
        x[k] -= rate * mean[k] / (sqrtf(square[k]) * to_root + epsilon);
    }
}

/* Asks for a row that will be moved soon: rows lie apart, so the processor does not foresee it. */
static void expect_row(const RowStep *step, int64_t row)
{
    for (ptrdiff_t k = 0; k < step->dim; k += 16) {
        __builtin_prefetch(step->table + row * step->dim + k, 1);
        __builtin_prefetch(step->mean + row * step->dim + k, 1);
        __builtin_prefetch(step->square + row * step->dim + k, 1);
    }
}

/* Gradients of one row form a chain, by rising place: places are counted from 1, and 0 ends it. */
static int step_rows(const RowStep *step)
{
    ptrdiff_t dim = step->dim, n = step->n_gradients;
    int32_t *first = calloc(step->n, sizeof(int32_t)); /* of each row of the table */
    int32_t *next = malloc(n * sizeof(int32_t));
    float *sum = malloc(dim * sizeof(float));
    int failed = !first || !next || !sum;
    for (ptrdiff_t i = n; !failed && i > 0; i--) {
        next[i - 1] = first[step->rows[i - 1]];
        first[step->rows[i - 1]] = (int32_t)i;
    }
    for (ptrdiff_t i = 1; !failed && i <= n; i++) {
        int64_t row = step->rows[i - 1];
        if (i + AHEAD <= n) expect_row(step, step->rows[i - 1 + AHEAD]);
        if (first[row] != i) continue;
        const float *gradient = step->values + (i - 1) * dim;
        if (next[i - 1]) {
            memcpy(sum, gradient, dim * sizeof(float));
            gradient = sum;
        }
        for (int32_t p = next[i - 1]; p; p = next[p - 1])
            for (ptrdiff_t k = 0; k < dim; k++) sum[k] += step->values[(p - 1) * dim + k];
        step_row(step, row, gradient);
    }
    free(first);
    free(next);
    free(sum);
    return failed ? -1 : 0;
}
#endif
