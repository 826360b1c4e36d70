/* What the float32 kernels work on; they are compiled once for each width of registers. */
#ifndef SESSIONPROMPT_FLOAT32_H
#define SESSIONPROMPT_FLOAT32_H

#include <stddef.h>
#include <stdint.h>

/* Rows in the order of their blocks, those without a block first. */
typedef struct {
    ptrdiff_t dim, n, n_blocks, n_drawn;
    const float *states;                        /* (n, dim) */
    const float *own, *drawn, *right;           /* (m, dim), (n_drawn, dim), (n, dim) */
    const float *log_weights;                   /* (n_drawn,) */
    const int64_t *rows, *drawn_sizes;          /* (n_blocks + 1,), first those of no block */
    const int64_t *sizes;                       /* (n_blocks,) */
    const int64_t *own_target, *drawn_target;   /* (n,), -1 where there is none */
    float *losses;                              /* (n,) */
    float *states_grad, *right_grad;            /* (n, dim) */
    float *own_grad, *drawn_grad;               /* (m, dim), (n_drawn, dim) */
} CandidateLoss;

/* Adam for the rows of a table (n, dim) that have a gradient, or several, which are added up. */
typedef struct {
    ptrdiff_t dim, n, n_gradients;
    const int64_t *rows;          /* (n_gradients,) */
    const float *values;          /* (n_gradients, dim) */
    float *table, *mean, *square; /* (n, dim) */
    double beta1, beta2, rate, correction, epsilon, decay;
} RowStep;

/* Rows (n, dim) divided by their lengths, or by `least` where these are less. */
typedef struct {
    ptrdiff_t dim, n;
    float least;
    const float *from;   /* the rows; going back, the gradient of the scaled ones */
    const float *scaled; /* going back, the scaled rows */
    float *to;           /* the scaled rows; going back, the gradient of the rows */
    float *lengths;      /* (n,), written going forward */
} Scaling;

/* Rows x (n, dim) divided by their lengths, plus other rows, divided by the lengths of the sums. */
typedef struct {
    ptrdiff_t dim, n;
    float least; /* of a length */
    const float *x;
    const float *added;       /* going back, the gradient of the result */
    const float *scaled;      /* going back, the result */
    float *x_lengths, *lengths; /* (n,) each, written going forward */
    float *to;                /* the result; going back, the gradient of x */
    float *to_added;          /* going back, the gradient of the other rows */
} UnitSums;

/* Sums (n, dim) of rows of a table (n_rows, dim). */
typedef struct {
    ptrdiff_t dim, n, columns, n_rows;
    const int64_t *codes; /* (n, columns); below 0 there is none */
    const float *from;    /* the table; going back, the gradient of the sums */
    float *to;            /* the sums; going back, the gradient of the table */
} Bags;

/* Rows of all steps of a GRU, T of them, in the order of time. */
typedef struct {
    ptrdiff_t hidden, n_rows, n_steps;
    const int64_t *alive;         /* (n_steps,), rows of each */
    const float *turned, *from_h; /* (h, 3h), going forward; (3h, h), going back */
    const float *bias;            /* (3h,), of what comes from the state */
    float *gates;     /* (T, 3h), of the events; forward makes them the gates r, z and c */
    float *recurrent; /* (T, 3h), of the states; going back, its gradient */
    float *before;    /* (T, h), the states that the rows find, zero at first */
    float *states;    /* (T, h) */
    float *grad;      /* (T, h), of the states */
    float *to_gates;  /* (T, 3h), gradient of what comes from the events */
} Recurrence;

typedef struct {
    int lanes; /* float32 of a register */
    /* Blocks first..last-1; adds to `drawn_grad`. 0, or -1 without memory. */
    int (*candidate_loss)(const CandidateLoss *loss, ptrdiff_t first, ptrdiff_t last);
    /* 0, or -1 without memory. */
    int (*step_rows)(const RowStep *step);
    void (*scale_rows)(const Scaling *scaling);
    void (*scale_back)(const Scaling *scaling);
    void (*unit_sums)(const UnitSums *sums);
    void (*unit_sums_back)(const UnitSums *sums);
    void (*sum_bags)(const Bags *bags);
    void (*sum_bags_back)(const Bags *bags);
    void (*run)(const Recurrence *gru);
    void (*run_back)(const Recurrence *gru);
} Kernels;

extern const Kernels kernels_of_8, kernels_of_16;
#endif
