/* The softmax loss over candidates of each row: those of its block, and a sample. */
#ifndef SESSIONPROMPT_CANDIDATES_H
#define SESSIONPROMPT_CANDIDATES_H

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "_float32.h"
#include "_products.h"

enum { MOST_ROWS = MOST_REGISTERS * LANES }; /* that are worked on at a time, side by side */
enum { AT_A_TIME = 64 };                     /* candidates whose vectors of 64 take 16 KB */
static const float HOPELESS = -FLT_MAX / 4; /* a score that counts for nothing, but finite */

/* Candidates that lie one after another. */
typedef struct {
    const float *vectors; /* (n, dim) */
    float *grad;          /* (n, dim) */
    float *scores;        /* (n, width), then their exponentials */
    ptrdiff_t n;
    const int64_t *targets; /* place of each row's target among them; -1 for none */
    int written;            /* whether `grad` holds something to add to */
} Candidates;

/* Some rows of a block. Number k of row i is states[k * width + i], so that rows fill the lanes. */
typedef struct {
    const CandidateLoss *loss;
    ptrdiff_t first, n, width;
    Candidates parts[2];                      /* of the block, and drawn */
    float *states;                            /* (dim, width); then their unscaled gradients */
    float *scaled;                            /* (n, dim) */
    float highest[MOST_ROWS], sums[MOST_ROWS]; /* of a row's scores, and of its exponentials */
} Group;

static void turn_states(const Group *group)
{
    ptrdiff_t dim = group->loss->dim;
    memset(group->states, 0, dim * group->width * sizeof(float));
    for (ptrdiff_t i = 0; i < group->n; i++)
        for (ptrdiff_t k = 0; k < dim; k++)
            group->states[k * group->width + i] =
                group->loss->states[(group->first + i) * dim + k];
}

/* Scores of some candidates; a row's target counts once, and elsewhere. */
static void score(const Group *group, const Candidates *some)
{
    ptrdiff_t dim = group->loss->dim, width = group->width;
    Left vectors = {some->vectors, dim, 1};
    Right states = {group->states, width};
    product((Result){some->scores, width, 0}, vectors, states, some->n, dim, width);
    for (ptrdiff_t i = 0; i < group->n; i++) {
        int64_t target = some->targets[i];
        if (target >= 0) some->scores[target * width + i] = HOPELESS;
    }
}

/* Adds the weights of drawn candidates; those first..last-1 are the block's already. */
static void weigh(const Group *group, ptrdiff_t first, ptrdiff_t last)
{
    const Candidates *drawn = &group->parts[1];
    for (ptrdiff_t j = 0; j < drawn->n; j++) {
        float weight = group->loss->log_weights[j];
        int hopeless = first <= j && j < last;
        for (ptrdiff_t i = 0; i < group->width; i += LANES) {
            float *scores = drawn->scores + j * group->width + i;
            store(scores, hopeless ? all_of(HOPELESS) : load(scores) + weight);
        }
    }
}

/* Turns all scores into exp(score - highest of the row), and adds these up. */
static void exponentiate(Group *group)
{
    ptrdiff_t width = group->width;
    ptrdiff_t n = group->parts[0].n + group->parts[1].n;
    for (ptrdiff_t i = 0; i < width; i += LANES) {
        float *scores = group->parts[0].scores + i; /* those of the other part follow */
        Lanes highest = all_of(HOPELESS);
        for (ptrdiff_t j = 0; j < n; j++) highest = larger(load(scores + j * width), highest);
        Lanes sums[TILE] = {{0}}; /* several, as each is rounded less */
        for (ptrdiff_t j = 0; j < n; j++) {
            Lanes power = exp2_of((load(scores + j * width) - highest) * LOG2E);
            store(scores + j * width, power);
            sums[j % TILE] += power;
        }
        store(group->highest + i, highest);
        store(group->sums + i, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    }
}

/* log(exp(x) + exp(y)) */
static double add_logs(double x, double y)
{
    return fmax(x, y) + log1p(exp(-fabs(x - y)));
}

/* Losses of the rows, and what their right candidates add to the gradients; `sums` become what the
 * exponentials are worth in them. */
static void finish_rows(Group *group)
{
    const CandidateLoss *loss = group->loss;
    ptrdiff_t dim = loss->dim;
    for (ptrdiff_t i = 0; i < group->n; i++) {
        ptrdiff_t start = (group->first + i) * dim;
        const float *state = loss->states + start, *right = loss->right + start;
        double target = 0;
        for (ptrdiff_t k = 0; k < dim; k++) target += (double)state[k] * right[k];
        double rest = group->highest[i] + log(group->sums[i]);
        double total = add_logs(rest, target);
        float worth = (float)(exp(group->highest[i] - total) / loss->n);
        float missing = (float)(-exp(rest - total) / loss->n); /* p - 1 of the target */
        loss->losses[group->first + i] = (float)(total - target);
        group->sums[i] = worth;
        for (ptrdiff_t k = 0; k < dim; k++) {
            group->scaled[i * dim + k] = worth * state[k];
            loss->right_grad[start + k] = missing * state[k];
            loss->states_grad[start + k] = missing * right[k];
        }
    }
}

/* Some candidates at a time, whose vectors and exponentials stay in the cache for both products. */
static void add_gradients(const Group *group)
{
    const CandidateLoss *loss = group->loss;
    ptrdiff_t dim = loss->dim, width = group->width;
    memset(group->states, 0, dim * width * sizeof(float));
    for (int p = 0; p < 2; p++) {
        const Candidates *some = &group->parts[p];
        for (ptrdiff_t j = 0; j < some->n; j += AT_A_TIME) {
            ptrdiff_t n = some->n - j < AT_A_TIME ? some->n - j : AT_A_TIME;
            const float *scores = some->scores + j * width;
            Result to_some = {some->grad + j * dim, dim, some->written};
            Left exponentials = {scores, width, 1}, numbers = {some->vectors + j * dim, 1, dim};
            product(to_some, exponentials, (Right){group->scaled, dim}, n, group->n, dim);
            Result to_states = {group->states, width, 1};
            product(to_states, numbers, (Right){scores, width}, dim, n, width);
        }
    }
    for (ptrdiff_t i = 0; i < group->n; i++)
        for (ptrdiff_t k = 0; k < dim; k++)
            loss->states_grad[(group->first + i) * dim + k] +=
                group->sums[i] * group->states[k * width + i];
}

/* n rows of a block from `first` on; drawn candidates skipped..last-1 are its own. */
static void loss_of_rows(Group *group, ptrdiff_t skipped, ptrdiff_t last)
{
    const CandidateLoss *loss = group->loss;
    Candidates *own = &group->parts[0], *drawn = &group->parts[1];
    group->width = (group->n + LANES - 1) / LANES * LANES;
    own->targets = loss->own_target + group->first;
    drawn->targets = loss->drawn_target + group->first;
    drawn->scores = own->scores + own->n * group->width;
    turn_states(group);
    score(group, own);
    score(group, drawn);
    weigh(group, skipped, last);
    exponentiate(group);
    finish_rows(group);
    add_gradients(group);
    own->written = 1;
}

static int open_group(Group *group, const CandidateLoss *loss)
{
    ptrdiff_t most = 0;
    for (ptrdiff_t b = 0; b < loss->n_blocks; b++)
        if (loss->sizes[b] > most) most = loss->sizes[b];
    ptrdiff_t n_scores = (most + loss->n_drawn) * MOST_ROWS;
    ptrdiff_t n_states = loss->dim * MOST_ROWS;
    float *memory = malloc((n_scores + 2 * n_states) * sizeof(float));
    *group = (Group){.loss = loss, .states = memory, .scaled = memory + n_states};
    if (!memory) return -1;
    group->parts[0].scores = memory + 2 * n_states;
    group->parts[1] = (Candidates){
        .vectors = loss->drawn, .grad = loss->drawn_grad, .n = loss->n_drawn, .written = 1};
    return 0;
}

/* Block b is the b-th of those with candidates of their own; 0 stands for none. */
static int candidate_loss(const CandidateLoss *loss, ptrdiff_t first, ptrdiff_t last)
{
    Group group;
    if (open_group(&group, loss)) return -1;
    Candidates *own = &group.parts[0];
    ptrdiff_t row = 0, column = 0, drawn = 0;
    for (ptrdiff_t b = 0; b < last; b++) {
        ptrdiff_t n = loss->rows[b], n_own = b ? loss->sizes[b - 1] : 0;
        ptrdiff_t n_drawn = loss->drawn_sizes[b];
        own->vectors = loss->own + column * loss->dim;
        own->grad = loss->own_grad + column * loss->dim;
        own->n = n_own;
        own->written = 0;
        ptrdiff_t registers = (n + LANES - 1) / LANES;
        ptrdiff_t pieces = (registers + MOST_REGISTERS - 1) / MOST_REGISTERS;
        if (b >= first && !n) memset(own->grad, 0, n_own * loss->dim * sizeof(float));
        for (ptrdiff_t p = 0; b >= first && p < pieces; p++) {
            ptrdiff_t start = registers * p / pieces * LANES;
            ptrdiff_t end = registers * (p + 1) / pieces * LANES;
            group.first = row + start;
            group.n = (end < n ? end : n) - start;
            loss_of_rows(&group, b ? drawn : 0, b ? drawn + n_drawn : 0);
        }
        row += n;
        column += n_own;
        drawn += n_drawn;
    }
    free(group.states);
    return 0;
}
#endif
