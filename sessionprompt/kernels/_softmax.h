/* The softmax over all candidates but a row's target: the log of its sum, and its gradients. */
#ifndef SESSIONPROMPT_SOFTMAX_H
#define SESSIONPROMPT_SOFTMAX_H

#include "_scores.h"

#define LOG2E 1.44269504f

/* Adds exp(score - shift) of the counted candidates to sums (LANES,); returns the shift, which
 * grows with the scores. That is rare: exponentials of 32 and their sums are far from overflow. */
INLINE float add_exponentials(
    const __m512 scores[BLOCK_REGISTERS], uint64_t counted, float shift, float *sums)
{
    __m512 sum = _mm512_load_ps(sums);
    __m512 most = _mm512_set1_ps(-FLT_MAX);
    UNROLL for (int v = 0; v < BLOCK_REGISTERS; v++)
        most = _mm512_mask_max_ps(most, mask_of(counted, v), most, scores[v]);
    if (_mm512_cmp_ps_mask(most, _mm512_set1_ps(shift + 32), _CMP_GT_OQ)) {
        float highest = _mm512_reduce_max_ps(most);
        sum = _mm512_mul_ps(sum, _mm512_set1_ps(expf(shift - highest)));
        shift = highest;
    }
    __m512 less = _mm512_set1_ps(-LOG2E * shift);
    UNROLL for (int v = 0; v < BLOCK_REGISTERS; v++) {
        __m512 power = _mm512_fmadd_ps(scores[v], _mm512_set1_ps(LOG2E), less);
        sum = _mm512_mask_add_ps(sum, mask_of(counted, v), sum, exp2_of(power));
    }
    _mm512_store_ps(sums, sum);
    return shift;
}

/* The same for all states and the candidates from `first` on; sums (n, LANES), shifts (n,). */
static void add_block(const Scorer *scorer, Py_ssize_t first, float *sums, float *shifts)
{
    const Problem *problem = scorer->problem;
    Py_ssize_t n_pairs = load_block(scorer, first);
    for (Py_ssize_t start = 0; start < scorer->n_states; start += BLOCK_STATES) {
        __m512 scores[BLOCK_STATES][BLOCK_REGISTERS];
        score(scores, scorer, start, NULL, n_pairs);
        UNROLL for (int r = 0; r < BLOCK_STATES; r++) {
            Py_ssize_t i = start + r;
            if (i >= problem->states.n) break;
            uint64_t counted = counted_candidates(first, problem->last, problem->targets[i]);
            shifts[i] = add_exponentials(scores[r], counted, shifts[i], sums + i * LANES);
        }
    }
}

/* result[i] = log of the summed exponentials of state i's scores of all candidates but its target.
 * 0, or -1 without memory. */
static int logsumexp(const Problem *problem, float *result)
{
    Scorer scorer;
    Py_ssize_t n = problem->states.n;
    float *sums = allocate_zeros(n * LANES);
    int failed = open_scorer(&scorer, problem, 3) || !sums;
    if (!failed) {
        for (Py_ssize_t i = 0; i < n; i++) result[i] = -FLT_MAX; /* until the end a shift */
        for (Py_ssize_t first = problem->first; first < problem->last; first += BLOCK)
            add_block(&scorer, first, sums, result);
        for (Py_ssize_t i = 0; i < n; i++)
            result[i] += logf(_mm512_reduce_add_ps(_mm512_load_ps(sums + i * LANES)));
    }
    close_scorer(&scorer);
    free(sums);
    return -failed;
}

/* What the way forward works on: E = exp(score + weight of the candidate - score of the target),
 * for one tile of candidates. */
typedef struct {
    Scorer scorer;
    const float *target_scores;
    Py_ssize_t width; /* columns of vectors, full registers */
    Columns tile;     /* (TILE, width) candidates, packed by neighbouring candidates */
    Rows kept;        /* (n, TILE) of E, packed by neighbouring candidates */
    float *sums;      /* (n, LANES) of rows of E, over all tiles */
    float *products;  /* (n, width), E times candidates, over all tiles */
    float *weights;   /* (BLOCK,) of candidates */
} Forward;

static int open_forward(Forward *forward, const Problem *problem, const float *target_scores)
{
    *forward = (Forward){.target_scores = target_scores};
    int failed = open_scorer(&forward->scorer, problem, 3);
    Py_ssize_t n = forward->scorer.n_states;
    forward->width = round_up(problem->states.dim, LANES);
    forward->tile = (Columns){allocate_zeros(TILE / 2 * forward->width), forward->width};
    forward->kept = (Rows){allocate_zeros(n * TILE / 2), TILE / 2, 1};
    forward->sums = allocate_zeros(n * LANES);
    forward->products = allocate_zeros(n * forward->width);
    forward->weights = allocate_zeros(BLOCK);
    if (!forward->tile.pairs || !forward->kept.pairs) failed = -1;
    if (!forward->sums || !forward->products || !forward->weights) failed = -1;
    return failed;
}

static void close_forward(Forward *forward)
{
    close_scorer(&forward->scorer);
    free(forward->tile.pairs);
    free(forward->kept.pairs);
    free(forward->sums);
    free(forward->products);
    free(forward->weights);
}

/* Turns the scores of state i into exponentials, zero for its target and beyond the last candidate
 * and state, and adds these to its sums. */
INLINE void exponentiate(
    __m512 scores[BLOCK_REGISTERS], const Forward *forward, Py_ssize_t first, Py_ssize_t i)
{
    const Problem *problem = forward->scorer.problem;
    uint64_t counted = 0;
    __m512 less = _mm512_setzero_ps();
    if (i < problem->states.n) {
        counted = counted_candidates(first, problem->last, problem->targets[i]);
        less = _mm512_set1_ps(-LOG2E * forward->target_scores[i]);
    }
    __m512 sum = _mm512_load_ps(forward->sums + i * LANES);
    UNROLL for (int v = 0; v < BLOCK_REGISTERS; v++) {
        __m512 power = _mm512_fmadd_ps(scores[v], _mm512_set1_ps(LOG2E), less);
        scores[v] = _mm512_maskz_mov_ps(mask_of(counted, v), exp2_of(power));
        sum = _mm512_add_ps(sum, scores[v]);
    }
    _mm512_store_ps(forward->sums + i * LANES, sum);
}

/* Keeps a block of exponentials at `kept`, packed by neighbouring candidates. */
INLINE void keep_by_candidates(Pair *kept, __m512 block[BLOCK_STATES][BLOCK_REGISTERS])
{
    UNROLL for (int r = 0; r < BLOCK_STATES; r++)
        UNROLL for (int v = 0; v < BLOCK_REGISTERS; v += 2) {
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(block[r][v + 1], block[r][v]);
            _mm512_store_si512(kept + (r * TILE + v * LANES) / 2, both);
        }
}

/* Keeps it at `turned`, packed by neighbouring states: past the caches, as nobody reads it soon. */
INLINE void keep_by_states(
    Pair *turned, __m512 block[BLOCK_STATES][BLOCK_REGISTERS], __m512i alternate)
{
    UNROLL for (int r = 0; r < BLOCK_STATES; r += 2)
        UNROLL for (int v = 0; v < BLOCK_REGISTERS; v++) {
            __m512i both = (__m512i)_mm512_cvtne2ps_pbh(block[r + 1][v], block[r][v]);
            __m512i *place = (__m512i *)(turned + r / 2 * TILE + v * LANES);
            _mm512_stream_si512(place, _mm512_permutexvar_epi16(alternate, both));
        }
}

/* Places in a register at which the numbers of its two halves alternate. */
INLINE __m512i alternating_places(void)
{
    uint16_t places[2 * LANES];
    for (int l = 0; l < 2 * LANES; l++) places[l] = (uint16_t)(l / 2 + l % 2 * LANES);
    return _mm512_loadu_si512(places);
}

/* Exponentials of all states and the block of candidates from `first` on, in both packings. */
static void exponentials_of_block(
    const Forward *forward, Py_ssize_t first, Pair *kept, Pair *turned)
{
    const Scorer *scorer = &forward->scorer;
    __m512i alternate = alternating_places();
    Py_ssize_t n_pairs = load_block(scorer, first);
    for (Py_ssize_t start = 0; start < scorer->n_states; start += BLOCK_STATES) {
        __m512 block[BLOCK_STATES][BLOCK_REGISTERS]; /* scores, then exponentials */
        score(block, scorer, start, forward->weights, n_pairs);
        UNROLL for (int r = 0; r < BLOCK_STATES; r++)
            exponentiate(block[r], forward, first, start + r);
        keep_by_candidates(kept + start * TILE / 2, block);
        keep_by_states(turned + start / 2 * TILE, block, alternate);
    }
}

/* One tile, candidates from `first` on: E into `turned`, its sums, and E times candidates. */
static void forward_tile(
    const Forward *forward, Py_ssize_t first, const float *weights, Pair *turned)
{
    const Problem *problem = forward->scorer.problem;
    Py_ssize_t n = candidates_from(problem, first, TILE);
    /* numbers of the tile before, where this one has no candidates, may be NaN, times 0 */
    if (n < TILE) memset(forward->tile.pairs, 0, TILE / 2 * forward->width * sizeof(Pair));
    pack_columns(forward->tile, rows_from(problem->table, first, n));
    for (Py_ssize_t b = 0; b < TILE; b += BLOCK) {
        Py_ssize_t here = candidates_from(problem, first + b, BLOCK);
        if (weights && here > 0)
            memcpy(forward->weights, weights + first + b, here * sizeof(float));
        exponentials_of_block(forward, first + b, forward->kept.pairs + b / 2, turned + b);
    }
    Py_ssize_t n_states = forward->scorer.n_states;
    product(forward->products, n_states, 1, forward->kept, forward->tile, TILE / 2);
}

/* sums (n,) of the rows of E, products (n, dim) = E table, and E itself for `softmax_backward`,
 * tile after tile (n / 2, TILE) as pairs of neighbouring states. 0, or -1 without memory. */
static int softmax_forward(
    const Problem *problem, const float *weights, const float *target_scores, Pair *turned,
    float *sums, float *products)
{
    Forward forward;
    Py_ssize_t dim = problem->states.dim;
    int failed = open_forward(&forward, problem, target_scores);
    if (!failed) {
        Py_ssize_t step = forward.scorer.n_states / 2 * TILE;
        for (Py_ssize_t first = problem->first; first < problem->last; first += TILE) {
            forward_tile(&forward, first, weights, turned);
            turned += step;
        }
        _mm_sfence(); /* other threads may read what went past the caches */
        for (Py_ssize_t i = 0; i < problem->states.n; i++) {
            sums[i] = _mm512_reduce_add_ps(_mm512_load_ps(forward.sums + i * LANES));
            memcpy(products + i * dim, forward.products + i * forward.width, dim * sizeof(float));
        }
    }
    close_forward(&forward);
    return failed;
}

/* Rows from `first` on of result (n_candidates, dim) = or += `sums` (rows, width). */
static void write_rows(
    float *result, const Problem *problem, Py_ssize_t first, int add, const float *sums)
{
    Py_ssize_t dim = problem->states.dim;
    Py_ssize_t width = round_up(dim, LANES);
    for (Py_ssize_t i = 0; i < candidates_from(problem, first, TILE); i++)
        for (Py_ssize_t c = 0; c < dim; c++) {
            float *place = result + (first + i) * dim + c;
            float sum = sums[i * width + c];
            *place = add ? *place + sum : sum;
        }
}

/* Rows first..last-1 of result (n_candidates, dim) = or += E^T states, with E as it was left by
 * `softmax_forward`. 0, or -1 without memory. */
static int softmax_backward(const Problem *problem, Pair *turned, int add, float *result)
{
    Py_ssize_t n = round_up(problem->states.n, BLOCK_STATES);
    Py_ssize_t width = round_up(problem->states.dim, LANES);
    Columns states = {allocate_zeros(n / 2 * width), width};
    float *sums = allocate_zeros(TILE * width);
    int failed = !states.pairs || !sums;
    if (!failed) {
        pack_columns(states, problem->states);
        for (Py_ssize_t first = problem->first; first < problem->last; first += TILE) {
            product(sums, TILE, 0, (Rows){turned, 1, TILE}, states, n / 2);
            write_rows(result, problem, first, add, sums);
            turned += n / 2 * TILE;
        }
    }
    free(states.pairs);
    free(sums);
    return -failed;
}

#endif
