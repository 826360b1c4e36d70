/* Scores of states and candidates, a block at a time: they live in registers, never in memory. */
#ifndef SESSIONPROMPT_SCORES_H
#define SESSIONPROMPT_SCORES_H

#include "_vectors.h"

/* The arrays of a call. */
typedef struct {
    Matrix states, table;
    const int64_t *targets;
    Py_ssize_t first, last; /* candidates of this call; other threads take others */
} Problem;

/* What scores are made of: packed states, and one block of candidates.
 *
 * A rounded score is r . r', with r the rounded numbers of a state, r' those of a candidate. Where
 * that is too rough, it is r . r' + r . t' + t . r', with what rounding took, t and t'. So three
 * parts of a state are packed, r r t, and one or three of a block, r' t' r'. */
typedef struct {
    const Problem *problem;
    Py_ssize_t n_states;    /* rounded up to full blocks */
    Py_ssize_t n_pairs;     /* of a part */
    int parts;              /* of a state: 3, or 1 where rounded scores always do */
    float length;           /* of the longest state */
    Pair *states, *block;
} Scorer;

/* Product of two vectors' lengths from which rounded scores are too rough to exponentiate: the
 * error of a score grows with it. At 14, from the default temperature, gradients still err by no
 * more than a thousandth. */
#define LONG 16.0f

/* Candidates from `first` on that are there, `most` at most; none is fine. */
static Py_ssize_t candidates_from(const Problem *problem, Py_ssize_t first, Py_ssize_t most)
{
    return at_most(problem->last - first, most);
}

static Matrix block_of(const Problem *problem, Py_ssize_t first)
{
    return rows_from(problem->table, first, candidates_from(problem, first, BLOCK));
}

/* Bits of the BLOCK candidates from `first` on that are before `last`, but for one candidate. */
INLINE uint64_t counted_candidates(Py_ssize_t first, Py_ssize_t last, Py_ssize_t left_out)
{
    uint64_t bits = ~(uint64_t)0;
    if (last <= first) bits = 0;
    else if (last - first < BLOCK) bits = ((uint64_t)1 << (last - first)) - 1;
    if (left_out >= first && left_out < first + BLOCK) bits &= ~((uint64_t)1 << (left_out - first));
    return bits;
}

/* Mask of the candidates of one register among those of a block. */
INLINE __mmask16 mask_of(uint64_t bits, int v) { return (__mmask16)(bits >> v * LANES); }

/* The scorer of a problem, with its states packed. 0, or -1 without memory; close it either way. */
static int open_scorer(Scorer *scorer, const Problem *problem, int parts)
{
    Matrix states = problem->states;
    Py_ssize_t n_pairs = (states.dim + 1) / 2;
    Py_ssize_t row = parts * n_pairs;
    *scorer = (Scorer){.problem = problem, .n_pairs = n_pairs, .parts = parts};
    scorer->n_states = round_up(states.n, BLOCK_STATES);
    scorer->length = longest(states).whole;
    scorer->states = allocate_zeros(scorer->n_states * row);
    scorer->block = allocate_zeros(row * BLOCK);
    if (!scorer->states || !scorer->block) return -1;
    for (int k = 0; k < parts; k++) {
        Part part = k == 2 ? LOST : ROUNDED;
        pack_rows((Rows){scorer->states + k * n_pairs, row, 1}, states, part);
    }
    return 0;
}

static void close_scorer(Scorer *scorer)
{
    free(scorer->states);
    free(scorer->block);
}

/* Pack the candidates from `first` on; returns the pairs of a score: those of one part or three. */
static Py_ssize_t load_block(const Scorer *scorer, Py_ssize_t first)
{
    Matrix candidates = block_of(scorer->problem, first);
    int parts = 1;
    if (scorer->parts > 1 && scorer->length * longest(candidates).whole > LONG) parts = 3;
    for (int k = 0; k < parts; k++) {
        Pair *pairs = scorer->block + k * scorer->n_pairs * BLOCK;
        Part part = k == 1 ? LOST : ROUNDED;
        pack_rows((Rows){pairs, 1, BLOCK}, candidates, part);
    }
    return parts * scorer->n_pairs;
}

/* Scores of BLOCK_STATES states from `start` on and the candidates of the block. */
INLINE void score(
    __m512 scores[BLOCK_STATES][BLOCK_REGISTERS], const Scorer *scorer, Py_ssize_t start,
    const float *starts, Py_ssize_t n_pairs)
{
    Py_ssize_t row = scorer->parts * scorer->n_pairs;
    Rows states = {scorer->states + start * row, row, 1};
    Columns block = {scorer->block, BLOCK};
    multiply(scores, BLOCK_REGISTERS, starts, states, block, n_pairs);
}

#endif
