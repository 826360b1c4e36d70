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
    int written; /* whether `grad` holds something to add to */
} Candidates;

/* Blocks one after another: which, how many rows, candidates and drawn candidates they have, and
 * how many those before them. */
typedef struct {
    ptrdiff_t first, last;
    ptrdiff_t n_rows, n_own, n_drawn;
    ptrdiff_t row, column, drawn;
} Span;

/* Some rows of a span. Number k of row i is states[k * width + i], so that rows fill the lanes. */
typedef struct {
    const CandidateLoss *loss;
    const Span *span;
    ptrdiff_t first, n, width;
    Candidates parts[2];                      /* of the blocks, and drawn */
    float *states;                            /* (dim, width); then their unscaled gradients */
    float *scaled;                            /* (n, dim) */
    float highest[MOST_ROWS], sums[MOST_ROWS]; /* of a row's scores, and of its exponentials */
} Group;

/* Block b is the b-th of those with candidates of their own; 0 stands for none. */
static ptrdiff_t own_of(const CandidateLoss *loss, ptrdiff_t b)
{
    return b ? loss->sizes[b - 1] : 0;
}

static ptrdiff_t drawn_of(const CandidateLoss *loss, ptrdiff_t b)
{
    return b ? loss->drawn_sizes[b] : 0;
}

static void add_block(Span *span, const CandidateLoss *loss)
{
    span->n_rows += loss->rows[span->last];
    span->n_own += own_of(loss, span->last);
    span->n_drawn += drawn_of(loss, span->last);
    span->last++;
}

/* What the products of rows and candidates cost; a single register waits half the time. */
static ptrdiff_t work_of(ptrdiff_t n_rows, ptrdiff_t n_candidates)
{
    ptrdiff_t registers = (n_rows + LANES - 1) / LANES;
    return (registers < 2 ? 2 : registers) * n_candidates;
}

/* The next block, with as many of those behind it as cost less together than apart. */
static Span next_span(const Span *before, const CandidateLoss *loss, ptrdiff_t last)
{
    Span span = {
        .first = before->last,
        .last = before->last,
        .row = before->row + before->n_rows,
        .column = before->column + before->n_own,
        .drawn = before->drawn + before->n_drawn,
    };
    for (add_block(&span, loss); span.last < last; add_block(&span, loss)) {
        ptrdiff_t n = loss->rows[span.last], n_own = own_of(loss, span.last);
        ptrdiff_t together = work_of(span.n_rows + n, span.n_own + n_own + loss->n_drawn);
        ptrdiff_t apart = work_of(span.n_rows, span.n_own + loss->n_drawn);
        apart += work_of(n, n_own + loss->n_drawn);
        if (span.n_rows + n > MOST_ROWS || together > apart) break;
    }
    return span;
}

/* The blocks before one of them. */
static Span span_before(const CandidateLoss *loss, ptrdiff_t block)
{
    Span span = {.drawn = loss->drawn_sizes[0]}; /* those that no block holds come first */
    while (span.last < block) add_block(&span, loss);
    return span;
}

static void turn_states(const Group *group)
{
    ptrdiff_t dim = group->loss->dim;
    memset(group->states, 0, dim * group->width * sizeof(float));
    for (ptrdiff_t i = 0; i < group->n; i++)
        for (ptrdiff_t k = 0; k < dim; k++)
            group->states[k * group->width + i] =
                group->loss->states[(group->first + i) * dim + k];
}

static void score(const Group *group, const Candidates *some)
{
    ptrdiff_t dim = group->loss->dim, width = group->width;
    Left vectors = {some->vectors, dim, 1};
    Right states = {group->states, width};
    product((Result){some->scores, width, 0}, vectors, states, some->n, dim, width);
}

static void weigh(const Group *group)
{
    const Candidates *drawn = &group->parts[1];
    for (ptrdiff_t j = 0; j < drawn->n; j++) {
        float weight = group->loss->log_weights[j];
        for (ptrdiff_t i = 0; i < group->width; i += LANES) {
            float *scores = drawn->scores + j * group->width + i;
            store(scores, load(scores) + weight);
        }
    }
}

/* n candidates from `first` on are none of the rows begin..end-1. */
static void leave_out(
    const Group *group, const Candidates *some, ptrdiff_t first, ptrdiff_t n, ptrdiff_t begin,
    ptrdiff_t end)
{
    for (ptrdiff_t j = first; j < first + n; j++)
        for (ptrdiff_t i = begin; i < end; i++) some->scores[j * group->width + i] = HOPELESS;
}

/* What is no candidate of a row: those of other blocks, drawn ones that are its block's already,
 * and its target, which counts once, and elsewhere. */
static void leave_out_all(const Group *group)
{
    const CandidateLoss *loss = group->loss;
    const Candidates *own = &group->parts[0], *drawn = &group->parts[1];
    ptrdiff_t row = group->span->row - group->first; /* of the block, in the group */
    ptrdiff_t column = 0, twice = group->span->drawn;
    for (ptrdiff_t b = group->span->first; b < group->span->last; b++) {
        ptrdiff_t n_own = own_of(loss, b), n_drawn = drawn_of(loss, b);
        ptrdiff_t begin = row > 0 ? row : 0;
        row += loss->rows[b];
        ptrdiff_t end = row < group->n ? row : group->n;
        leave_out(group, own, column, n_own, 0, begin);
        leave_out(group, own, column, n_own, end, group->width);
        leave_out(group, drawn, twice, n_drawn, begin, end);
        for (ptrdiff_t i = begin; i < end; i++) {
            int64_t target = loss->own_target[group->first + i];
            int64_t drawn_target = loss->drawn_target[group->first + i];
            if (target >= 0) leave_out(group, own, column + target, 1, i, i + 1);
            if (drawn_target >= 0) leave_out(group, drawn, drawn_target, 1, i, i + 1);
        }
        column += n_own;
        twice += n_drawn;
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

/* n rows of a span from `first` on. */
static void loss_of_rows(Group *group, ptrdiff_t first, ptrdiff_t n)
{
    Candidates *own = &group->parts[0], *drawn = &group->parts[1];
    group->first = first;
    group->n = n;
    group->width = (n + LANES - 1) / LANES * LANES;
    drawn->scores = own->scores + own->n * group->width;
    turn_states(group);
    score(group, own);
    score(group, drawn);
    weigh(group);
    leave_out_all(group);
    exponentiate(group);
    finish_rows(group);
    add_gradients(group);
    own->written = 1;
}

/* All rows of a span, of a large block some at a time. */
static void loss_of_span(Group *group, const Span *span)
{
    const CandidateLoss *loss = group->loss;
    Candidates *own = &group->parts[0];
    group->span = span;
    own->vectors = loss->own + span->column * loss->dim;
    own->grad = loss->own_grad + span->column * loss->dim;
    own->n = span->n_own;
    own->written = 0;
    if (!span->n_rows) memset(own->grad, 0, own->n * loss->dim * sizeof(float));
    ptrdiff_t registers = (span->n_rows + LANES - 1) / LANES;
    ptrdiff_t pieces = (registers + MOST_REGISTERS - 1) / MOST_REGISTERS;
    for (ptrdiff_t p = 0; p < pieces; p++) {
        ptrdiff_t start = registers * p / pieces * LANES;
        ptrdiff_t end = registers * (p + 1) / pieces * LANES;
        if (end > span->n_rows) end = span->n_rows;
        loss_of_rows(group, span->row + start, end - start);
    }
}

static int open_group(Group *group, const CandidateLoss *loss, ptrdiff_t first, ptrdiff_t last)
{
    ptrdiff_t most = 0;
    for (Span span = span_before(loss, first); span.last < last;) {
        span = next_span(&span, loss, last);
        if (span.n_own > most) most = span.n_own;
    }
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

static int candidate_loss(const CandidateLoss *loss, ptrdiff_t first, ptrdiff_t last)
{
    Group group;
    if (open_group(&group, loss, first, last)) return -1;
    for (Span span = span_before(loss, first); span.last < last;) {
        span = next_span(&span, loss, last);
        loss_of_span(&group, &span);
    }
    free(group.states);
    return 0;
}
#endif
