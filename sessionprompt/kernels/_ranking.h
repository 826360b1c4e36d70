/* Ranks and best candidates, exact in float32.
 *
 * Rounded scores say which candidates are too far off to matter; all others, a few in a hundred,
 * are scored again in float32.
 */
#ifndef SESSIONPROMPT_RANKING_H
#define SESSIONPROMPT_RANKING_H

#include "_scores.h"

/* How far the rounded score of two vectors may be off: by what rounding takes from each, times the
 * length of the other, and by the rounding of sums. Products, and squares in lengths, that are
 * below the smallest normal number are lost. */
static float margin_of(Lengths one, Lengths other, Py_ssize_t dim)
{
    float unseen = 1e-18f * sqrtf((float)dim); /* length of a vector whose squares are lost */
    float length = one.whole + unseen;
    float lost = one.lost + unseen;
    float other_length = other.whole + unseen;
    float other_lost = other.lost + unseen;
    float factors = 1.0001f * (length * other_lost + lost * (other_length + other_lost));
    float sums = (float)dim * (0x1p-22f * length * other_length + FLT_MIN);
    return factors + sums;
}

/* What counting works on, and its results. */
typedef struct {
    Scorer scorer;
    const float *thresholds; /* (n,) */
    Lengths *lengths;        /* (n,) of states */
    int64_t *greater, *equal;
} Counts;

/* Adds the candidates of a block, from their rounded scores, to the counts of state i. */
INLINE void count_row(
    const __m512 scores[BLOCK_REGISTERS], const Counts *counts, Py_ssize_t i, Py_ssize_t first,
    float margin)
{
    const Problem *problem = counts->scorer.problem;
    Py_ssize_t dim = problem->states.dim;
    float threshold = counts->thresholds[i];
    __m512 high = _mm512_set1_ps(threshold + margin);
    __m512 low = _mm512_set1_ps(threshold - margin);
    uint64_t surely = 0; /* one bit for each candidate of the block */
    uint64_t near = 0;
    UNROLL for (int v = 0; v < BLOCK_REGISTERS; v++) {
        surely |= (uint64_t)_mm512_cmp_ps_mask(scores[v], high, _CMP_GT_OQ) << v * LANES;
        near |= (uint64_t)_mm512_cmp_ps_mask(scores[v], low, _CMP_GE_OQ) << v * LANES;
    }
    uint64_t counted = counted_candidates(first, problem->last, problem->targets[i]);
    counts->greater[i] += __builtin_popcountll(surely & counted);
    for (near &= counted & ~surely; near; near &= near - 1) {
        const float *candidate = problem->table.values + (first + __builtin_ctzll(near)) * dim;
        float score = dot(problem->states.values + i * dim, candidate, dim);
        counts->greater[i] += score > threshold;
        counts->equal[i] += score == threshold;
    }
}

static void count_block(const Counts *counts, Py_ssize_t first)
{
    const Scorer *scorer = &counts->scorer;
    const Problem *problem = scorer->problem;
    Lengths length = longest(block_of(problem, first));
    Py_ssize_t n_pairs = load_block(scorer, first);
    for (Py_ssize_t start = 0; start < scorer->n_states; start += BLOCK_STATES) {
        __m512 scores[BLOCK_STATES][BLOCK_REGISTERS];
        score(scores, scorer, start, NULL, n_pairs);
        UNROLL for (int r = 0; r < BLOCK_STATES; r++) {
            Py_ssize_t i = start + r;
            if (i >= problem->states.n) break;
            float margin = margin_of(counts->lengths[i], length, problem->states.dim);
            count_row(scores[r], counts, i, first, margin);
        }
    }
}

/* Scores (n,) of the targets, as those of all near candidates are made. */
static void score_targets(float *scores, const Problem *problem)
{
    Py_ssize_t dim = problem->states.dim;
    for (Py_ssize_t i = 0; i < problem->states.n; i++) {
        const float *target = problem->table.values + problem->targets[i] * dim;
        scores[i] = dot(problem->states.values + i * dim, target, dim);
    }
}

/* How many candidates but the target score above the threshold of each state, and how many level
 * with it. Without thresholds they are the scores of the targets; with them, a target of -1 leaves
 * no candidate out. 0, or -1 without memory. */
static int count_greater(
    const Problem *problem, const float *thresholds, int64_t *greater, int64_t *equal)
{
    Counts counts = {.thresholds = thresholds, .greater = greater, .equal = equal};
    Py_ssize_t n = problem->states.n;
    float *target_scores = malloc(n * sizeof(float));
    counts.lengths = malloc(n * sizeof(Lengths));
    int failed = open_scorer(&counts.scorer, problem, 1) || !target_scores || !counts.lengths;
    if (!failed) {
        if (!thresholds) {
            score_targets(target_scores, problem);
            counts.thresholds = target_scores;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            counts.lengths[i] = longest(rows_from(problem->states, i, 1));
            greater[i] = 0;
            equal[i] = 0;
        }
        for (Py_ssize_t first = problem->first; first < problem->last; first += BLOCK)
            count_block(&counts, first);
    }
    close_scorer(&counts.scorer);
    free(counts.lengths);
    free(target_scores);
    return -failed;
}

typedef struct {
    float value;
    int64_t code;
} Candidate;

/* The best candidates of those offered, the worst of them on top; of equals the first is better. */
typedef struct {
    Candidate *found;
    Py_ssize_t size;
} Heap;

static int is_worse(Candidate one, Candidate other)
{
    return one.value < other.value || (one.value == other.value && one.code > other.code);
}

/* Puts a candidate in the place of the worst. */
static void replace_top(Heap heap, Candidate candidate)
{
    Py_ssize_t place = 0;
    for (Py_ssize_t child = 1; child < heap.size; child = 2 * place + 1) {
        if (child + 1 < heap.size && is_worse(heap.found[child + 1], heap.found[child])) child++;
        if (!is_worse(heap.found[child], candidate)) break;
        heap.found[place] = heap.found[child];
        place = child;
    }
    heap.found[place] = candidate;
}

static void offer(Heap heap, float value, int64_t code)
{
    Candidate candidate = {value, code};
    if (is_worse(heap.found[0], candidate)) replace_top(heap, candidate);
}

static void clear(Heap heap)
{
    for (Py_ssize_t i = 0; i < heap.size; i++) heap.found[i] = (Candidate){-INFINITY, INT64_MAX};
}

/* Empties a heap into codes and values, best first. */
static void write_sorted(Heap heap, int64_t *codes, float *values)
{
    while (heap.size--) {
        codes[heap.size] = heap.found[0].code;
        values[heap.size] = heap.found[0].value;
        replace_top(heap, heap.found[heap.size]);
    }
}

/* What the search for the best works on. */
typedef struct {
    Scorer scorer;
    Lengths length;     /* of the longest candidate */
    Py_ssize_t group;   /* states searched at a time, full blocks */
    Py_ssize_t n_blocks;
    float *highest;     /* (group, n_blocks) rounded scores */
    Heap heap;
} Search;

/* Highest rounded score of each state of the group from `start` on in each block of candidates. */
static void highest_of_blocks(const Search *search, Py_ssize_t start)
{
    const Scorer *scorer = &search->scorer;
    Py_ssize_t n = at_most(search->group, scorer->n_states - start);
    for (Py_ssize_t b = 0; b < search->n_blocks; b++) {
        Py_ssize_t n_pairs = load_block(scorer, b * BLOCK);
        Py_ssize_t left = scorer->problem->last - b * BLOCK; /* candidates */
        for (Py_ssize_t i = 0; i < n; i += BLOCK_STATES) {
            __m512 scores[BLOCK_STATES][BLOCK_REGISTERS];
            score(scores, scorer, start + i, NULL, n_pairs);
            UNROLL for (int r = 0; r < BLOCK_STATES; r++) {
                __m512 most = _mm512_set1_ps(-INFINITY);
                UNROLL for (int v = 0; v < BLOCK_REGISTERS; v++) {
                    __mmask16 inside = first_lanes(left - v * LANES);
                    most = _mm512_mask_max_ps(most, inside, most, scores[r][v]);
                }
                search->highest[(i + r) * search->n_blocks + b] = _mm512_reduce_max_ps(most);
            }
        }
    }
}

/* Offers the exact scores of all blocks in which, for all that is known of rounded scores, one of
 * the best may be: as many blocks as there are best hold a score of at least the lowest of their
 * highest ones less the margin. */
static void search_blocks(const Search *search, const float *state, const float *highest)
{
    const Problem *problem = search->scorer.problem;
    Py_ssize_t dim = problem->states.dim;
    Heap heap = search->heap;
    clear(heap);
    for (Py_ssize_t b = 0; b < search->n_blocks; b++) offer(heap, highest[b], b);
    float margin = margin_of(longest((Matrix){state, 1, dim}), search->length, dim);
    float least = heap.found[0].value - 2 * margin;
    clear(heap);
    for (Py_ssize_t b = 0; b < search->n_blocks; b++) {
        if (!(highest[b] >= least)) continue;
        Py_ssize_t end = at_most((b + 1) * BLOCK, problem->last);
        for (Py_ssize_t j = b * BLOCK; j < end; j++)
            offer(heap, dot(state, problem->table.values + j * dim, dim), j);
    }
}

/* Codes and scores (n, k) of the k best candidates of each state, best first. 0, or -1 without
 * memory. */
static int topk(const Problem *problem, Py_ssize_t k, int64_t *codes, float *values)
{
    Search search = {.length = longest(problem->table), .heap.size = k};
    int failed = open_scorer(&search.scorer, problem, 1);
    search.group = at_most(search.scorer.n_states, SEARCHED_STATES);
    search.n_blocks = (problem->table.n + BLOCK - 1) / BLOCK;
    search.highest = malloc(search.group * search.n_blocks * sizeof(float));
    search.heap.found = malloc(k * sizeof(Candidate));
    if (!search.highest || !search.heap.found) failed = -1;
    for (Py_ssize_t i = 0; !failed && i < problem->states.n; i++) {
        Py_ssize_t place = i % search.group;
        if (place == 0) highest_of_blocks(&search, i);
        const float *state = problem->states.values + i * problem->states.dim;
        search_blocks(&search, state, search.highest + place * search.n_blocks);
        write_sorted(search.heap, codes + i * k, values + i * k);
    }
    close_scorer(&search.scorer);
    free(search.highest);
    free(search.heap.found);
    return failed;
}

#endif
