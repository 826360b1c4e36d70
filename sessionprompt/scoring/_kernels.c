/* Sweeps over all candidates on processors that multiply bfloat16: the softmax, its gradients, ranks and the best.
 *
 * Without a compiler the library does the same with torch's products; those must write all scores to memory, and read
 * them again for whatever is made of them. Here scores live in registers and are used up where they are made.
 *
 * States (n, d), table (m, d) and all results are float32, row after row; factors of products are rounded to bfloat16,
 * sums are float32. The processor takes bfloat16 in pairs: lane l of a sum gains a.first * b[l].first + a.second *
 * b[l].second. So matrices are packed into words, two numbers that are neighbours along the axis summed over.
 *
 * Where vectors are so long that this would tell in exponentials, scores take in what rounding took. Ranks and the best
 * are exact all the same: rounded scores only say which candidates are too far off to matter, and all others are scored
 * again in float32.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#if !defined(__x86_64__) || !defined(__GNUC__)
#error "this file is for x86-64, and for GCC or Clang"
#endif
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Up to Python's side, which must run anywhere, since importing the module does not yet mean using it. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#endif

enum {
    LANES = 16,           /* float32 of a register; words too */
    ROWS = 6,             /* of a block of sums: 6 x 4 registers, which leaves 8 of 32 for factors */
    WIDE = 4,             /* registers in a row of it */
    BLOCK = WIDE * LANES, /* candidates scored at a time */
    TILE = 3 * BLOCK,     /* candidates whose exponentials are multiplied at a time, a multiple of ROWS */
    MOST = 100 * ROWS,    /* states whose best are searched at a time */
    LINE = 64,            /* bytes that caches move at a time; registers that straddle two take twice as long */
};
#define LARGE 16.0f /* lengths of vectors multiplied; beyond, rounded factors leave scores too rough to exponentiate */
#define LOG2E 1.44269504f
#define INLINE static inline __attribute__((always_inline)) /* so that `wide` is a constant and loops unroll */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 6")
#endif

typedef uint32_t word; /* two bfloat16 */

typedef struct {
    const float *states, *table;
    const int64_t *targets;
    Py_ssize_t n, m, d;
    Py_ssize_t first, last; /* candidates of this call, where other threads take others */
} Problem;

static Py_ssize_t up(Py_ssize_t n, Py_ssize_t step) { return (n + step - 1) / step * step; }

/* n zeros of 4 bytes; NULL without memory. */
static void *zeros(Py_ssize_t n)
{
    size_t bytes = up(n * 4, LINE);
    void *memory = aligned_alloc(LINE, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

static __mmask16 lanes(Py_ssize_t n) { return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* Bits of the BLOCK candidates from `first` on that are there (before `last`) and not the target. */
INLINE uint64_t others(Py_ssize_t first, Py_ssize_t last, Py_ssize_t target)
{
    uint64_t all = last - first >= BLOCK ? ~(uint64_t)0 : last <= first ? 0 : ((uint64_t)1 << (last - first)) - 1;
    return target >= first && target < first + BLOCK ? all & ~((uint64_t)1 << (target - first)) : all;
}

/* 2^x, wrong by less than 2e-7 of it: a polynomial fitted on [-1/2, 1/2], shifted by the whole part of x. */
INLINE __m512 exp2_of(__m512 x)
{
    __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 part = _mm512_sub_ps(x, whole), y = _mm512_set1_ps(0.00132669704f);
    y = _mm512_fmadd_ps(y, part, _mm512_set1_ps(0.00967545975f));
    y = _mm512_fmadd_ps(y, part, _mm512_set1_ps(0.0555074262f));
    y = _mm512_fmadd_ps(y, part, _mm512_set1_ps(0.240221218f));
    y = _mm512_fmadd_ps(y, part, _mm512_set1_ps(0.693146949f));
    y = _mm512_fmadd_ps(y, part, _mm512_set1_ps(1.00000007f));
    return _mm512_scalef_ps(y, whole);
}

/* What rounding to bfloat16 takes from numbers. */
INLINE __m512 lost(__m512 x)
{
    __m512i rounded = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x)), 16);
    return _mm512_sub_ps(x, (__m512)rounded);
}

/* to[i * row + k * pair] = columns 2k and 2k + 1 of row i, or what rounding them takes. */
static void pack_along_rows(
    word *to, Py_ssize_t row, Py_ssize_t pair, const float *from, Py_ssize_t n, Py_ssize_t d, int taken)
{
    word words[LANES];
    for (Py_ssize_t i = 0; i < n; i++, from += d)
        for (Py_ssize_t c = 0; c < d; c += 2 * LANES) {
            __m512 low = _mm512_maskz_loadu_ps(lanes(d - c), from + c);
            __m512 high = _mm512_maskz_loadu_ps(lanes(d - c - LANES), from + c + LANES);
            if (taken) low = lost(low), high = lost(high);
            Py_ssize_t left = (d - c + 1) / 2, here = left < LANES ? left : LANES;
            _mm512_storeu_si512(words, (__m512i)_mm512_cvtne2ps_pbh(high, low));
            for (Py_ssize_t l = 0; l < here; l++) to[i * row + (c / 2 + l) * pair] = words[l];
        }
}

/* to[i / 2 * width + c] = rows i and i + 1 of column c. */
static void pack_along_columns(word *to, Py_ssize_t width, const float *from, Py_ssize_t n, Py_ssize_t d)
{
    for (Py_ssize_t i = 0; i < n; i += 2, from += 2 * d, to += width)
        for (Py_ssize_t c = 0; c < d; c += LANES) {
            __m512 one = _mm512_maskz_loadu_ps(lanes(d - c), from + c);
            __m512 next = _mm512_maskz_loadu_ps(i + 1 < n ? lanes(d - c) : 0, from + d + c);
            __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(one));
            __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(next));
            _mm512_storeu_si512(to + c, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
        }
}

/* Length of the longest of some rows, and of the most that rounding takes from one. */
typedef struct {
    float whole, lost;
} Lengths;

static Lengths longest(const float *rows, Py_ssize_t n, Py_ssize_t d)
{
    Lengths squares = {0, 0};
    for (Py_ssize_t i = 0; i < n; i++, rows += d) {
        __m512 whole = _mm512_setzero_ps(), taken = whole;
        for (Py_ssize_t c = 0; c < d; c += LANES) {
            __m512 x = _mm512_maskz_loadu_ps(lanes(d - c), rows + c), less = lost(x);
            whole = _mm512_fmadd_ps(x, x, whole), taken = _mm512_fmadd_ps(less, less, taken);
        }
        squares.whole = fmaxf(squares.whole, _mm512_reduce_add_ps(whole));
        squares.lost = fmaxf(squares.lost, _mm512_reduce_add_ps(taken));
    }
    return (Lengths){sqrtf(squares.whole), sqrtf(squares.lost)};
}

/* Candidates from j on that are there, `most` at most; none is fine. */
static Py_ssize_t there(Problem p, Py_ssize_t j, Py_ssize_t most) { return p.last - j < most ? p.last - j : most; }

/* Words for scores, `pairs` a state from rounded numbers r; behind them r again and what rounding took, t. A score is
 * r . r' or, where that is too rough, r . r' + r . t' + t . r' with r', t' of the candidate: three times the words. */
static word *pack_states(Problem p)
{
    Py_ssize_t pairs = (p.d + 1) / 2;
    word *states = zeros(up(p.n, ROWS) * 3 * pairs);
    for (int k = 0; states && k < 3; k++)
        pack_along_rows(states + k * pairs, 3 * pairs, 1, p.states, p.n, p.d, k == 2);
    return states;
}

/* Which of the two the block of candidates from j on needs, for states of some length: 1 or 3 parts. */
static int parts_needed(Problem p, Py_ssize_t j, float length)
{
    return length * longest(p.table + j * p.d, there(p, j, BLOCK), p.d).whole > LARGE ? 3 : 1;
}

/* block[k * BLOCK + l] = word k of candidate j + l, of so many parts; returns how many words these are. */
static Py_ssize_t pack_block(word *block, Problem p, Py_ssize_t j, int parts)
{
    Py_ssize_t pairs = (p.d + 1) / 2, here = there(p, j, BLOCK);
    const float *rows = p.table + j * p.d;
    for (int k = 0; k < parts; k++) pack_along_rows(block + k * pairs * BLOCK, 1, BLOCK, rows, here, p.d, k == 1);
    return parts * pairs;
}

/* sums[r] = starts, if any, + row r of words, its k-th at left[r * row + k * pair], times right[k * width], `wide`
 * registers of words. */
INLINE void multiply(
    __m512 sums[ROWS][WIDE], int wide, const float *starts, const word *left, Py_ssize_t row, Py_ssize_t pair,
    const word *right, Py_ssize_t width, Py_ssize_t pairs)
{
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < wide; v++)
            sums[r][v] = starts ? _mm512_load_ps(starts + v * LANES) : _mm512_setzero_ps();
    for (Py_ssize_t k = 0; k < pairs; k++, left += pair, right += width) {
        __m512bh factors[WIDE];
        UNROLL for (int v = 0; v < wide; v++) factors[v] = (__m512bh)_mm512_loadu_si512(right + v * LANES);
        UNROLL for (int r = 0; r < ROWS; r++) {
            __m512bh one = (__m512bh)_mm512_set1_epi32((int)left[r * row]);
            UNROLL for (int v = 0; v < wide; v++) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], one, factors[v]);
        }
    }
}

INLINE void multiply_into(
    float *to, Py_ssize_t step, int wide, int add, const word *left, Py_ssize_t row, Py_ssize_t pair, const word *right,
    Py_ssize_t width, Py_ssize_t pairs)
{
    __m512 sums[ROWS][WIDE];
    multiply(sums, wide, NULL, left, row, pair, right, width, pairs);
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < wide; v++) {
            float *place = to + r * step + v * LANES;
            _mm512_storeu_ps(place, add ? _mm512_add_ps(_mm512_loadu_ps(place), sums[r][v]) : sums[r][v]);
        }
}

/* to (n, width) = or += n rows of words, as for `multiply`, times right (pairs, width). */
static void product(
    float *to, Py_ssize_t n, int add, const word *left, Py_ssize_t row, Py_ssize_t pair, const word *right,
    Py_ssize_t width, Py_ssize_t pairs)
{
    for (Py_ssize_t c = 0; c < width; c += BLOCK)
        for (Py_ssize_t i = 0; i < n; i += ROWS) {
            float *place = to + i * width + c;
            const word *some = left + i * row;
            switch ((width - c) / LANES) {
            case 1: multiply_into(place, width, 1, add, some, row, pair, right + c, width, pairs); break;
            case 2: multiply_into(place, width, 2, add, some, row, pair, right + c, width, pairs); break;
            case 3: multiply_into(place, width, 3, add, some, row, pair, right + c, width, pairs); break;
            default: multiply_into(place, width, WIDE, add, some, row, pair, right + c, width, pairs);
            }
        }
}

/* result[i] = log of the sum of exp(score of i) over all candidates but its target. 0, or -1 without memory. */
static int log_sums(Problem p, float *result)
{
    Py_ssize_t n = up(p.n, ROWS), row = (p.d + 1) / 2 * 3;
    word *states = pack_states(p), *block = zeros(row * BLOCK);
    float *sums = zeros(n * LANES), length = longest(p.states, p.n, p.d).whole;
    int failed = !states || !block || !sums;
    if (failed) goto end;
    for (Py_ssize_t i = 0; i < p.n; i++) result[i] = -FLT_MAX; /* until the end: what is taken off scores of i */
    for (Py_ssize_t j = p.first; j < p.last; j += BLOCK) {
        Py_ssize_t words = pack_block(block, p, j, parts_needed(p, j, length));
        for (Py_ssize_t start = 0; start < n; start += ROWS) {
            __m512 scores[ROWS][WIDE];
            multiply(scores, WIDE, NULL, states + start * row, row, 1, block, BLOCK, words);
            UNROLL for (int r = 0; r < ROWS; r++) {
                Py_ssize_t i = start + r;
                if (i >= p.n) break;
                uint64_t bits = others(j, p.last, p.targets[i]);
                __mmask16 mask[WIDE];
                __m512 most = _mm512_set1_ps(-FLT_MAX), sum = _mm512_load_ps(sums + i * LANES);
                UNROLL for (int v = 0; v < WIDE; v++) {
                    mask[v] = (__mmask16)(bits >> v * LANES);
                    most = _mm512_mask_max_ps(most, mask[v], most, scores[r][v]);
                }
                /* rarely: up to e^32 above what is taken off, exponentials and their sums are in range */
                if (_mm512_cmp_ps_mask(most, _mm512_set1_ps(result[i] + 32), _CMP_GT_OQ)) {
                    float highest = _mm512_reduce_max_ps(most);
                    sum = _mm512_mul_ps(sum, _mm512_set1_ps(expf(result[i] - highest)));
                    result[i] = highest;
                }
                __m512 shift = _mm512_set1_ps(-LOG2E * result[i]);
                UNROLL for (int v = 0; v < WIDE; v++) {
                    __m512 power = _mm512_fmadd_ps(scores[r][v], _mm512_set1_ps(LOG2E), shift);
                    sum = _mm512_mask_add_ps(sum, mask[v], sum, exp2_of(power));
                }
                _mm512_store_ps(sums + i * LANES, sum);
            }
        }
    }
    for (Py_ssize_t i = 0; i < p.n; i++) result[i] += logf(_mm512_reduce_add_ps(_mm512_load_ps(sums + i * LANES)));
end:
    free(states), free(block), free(sums);
    return -failed;
}

/* Exponentials of n states, a multiple of ROWS, and the BLOCK candidates from j on, whose scores start at `starts`:
 * exp(score - that of the target), zero for targets and beyond the last candidate and state. Their sums go into sums
 * (n, LANES), they themselves by rows into kept (n, TILE / 2), words of neighbouring candidates, and turned
 * (n / 2, TILE), words of neighbouring states. */
static void exponentials_of_block(
    Problem p, const float *own, Py_ssize_t n, Py_ssize_t j, const word *states, const word *block, Py_ssize_t words,
    const float *starts, float *sums, word *kept, word *turned)
{
    Py_ssize_t row = (p.d + 1) / 2 * 3;
    uint16_t places[2 * LANES]; /* of two halves whose numbers shall alternate */
    for (int l = 0; l < 2 * LANES; l++) places[l] = (uint16_t)(l / 2 + l % 2 * LANES);
    __m512i alternate = _mm512_loadu_si512(places);
    for (Py_ssize_t i = 0; i < n; i += ROWS, kept += ROWS * TILE / 2, turned += ROWS / 2 * TILE) {
        __m512 q[ROWS][WIDE]; /* scores, then exponentials */
        multiply(q, WIDE, starts, states + i * row, row, 1, block, BLOCK, words);
        UNROLL for (int r = 0; r < ROWS; r++) {
            int real = i + r < p.n;
            uint64_t bits = real ? others(j, p.last, p.targets[i + r]) : 0;
            __m512 shift = _mm512_set1_ps(real ? -LOG2E * own[i + r] : 0), sum = _mm512_load_ps(sums + (i + r) * LANES);
            UNROLL for (int v = 0; v < WIDE; v++) {
                __mmask16 mask = (__mmask16)(bits >> v * LANES);
                q[r][v] = _mm512_maskz_mov_ps(mask, exp2_of(_mm512_fmadd_ps(q[r][v], _mm512_set1_ps(LOG2E), shift)));
                sum = _mm512_add_ps(sum, q[r][v]);
            }
            _mm512_store_ps(sums + (i + r) * LANES, sum);
            UNROLL for (int v = 0; v < WIDE; v += 2) {
                __m512i both = (__m512i)_mm512_cvtne2ps_pbh(q[r][v + 1], q[r][v]);
                _mm512_store_si512(kept + (r * TILE + v * LANES) / 2, both);
            }
        }
        UNROLL for (int r = 0; r < ROWS; r += 2)
            UNROLL for (int v = 0; v < WIDE; v++) {
                __m512i both = (__m512i)_mm512_cvtne2ps_pbh(q[r + 1][v], q[r][v]);
                __m512i *place = (__m512i *)(turned + r / 2 * TILE + v * LANES);
                _mm512_stream_si512(place, _mm512_permutexvar_epi16(alternate, both)); /* past the caches */
            }
    }
}

/* With E = exp(score + weight of the candidate, if there are any, - score of the row's target), zero for targets: sums
 * (n,) of its rows, products (n, d) = E table, and E itself for `weigh`, tile after tile (rows / 2, TILE) as words of
 * neighbouring states. 0, or -1 without memory. */
static int exponentials(
    Problem p, const float *weights, const float *own, word *turned, float *sums, float *products)
{
    Py_ssize_t n = up(p.n, ROWS), pairs = (p.d + 1) / 2, width = up(p.d, LANES);
    word *states = pack_states(p), *block = zeros(3 * pairs * BLOCK);
    word *tile = zeros(TILE / 2 * width), *kept = zeros(n * TILE / 2);
    float *in_lanes = zeros(n * LANES), *of_states = zeros(n * width), *starts = zeros(BLOCK);
    float length = longest(p.states, p.n, p.d).whole;
    int failed = !states || !block || !tile || !kept || !in_lanes || !of_states || !starts;
    if (failed) goto end;
    for (Py_ssize_t j = p.first; j < p.last; j += TILE, turned += n / 2 * TILE) {
        Py_ssize_t here = there(p, j, TILE);
        if (here < TILE) memset(tile, 0, TILE / 2 * width * sizeof(word)); /* what was there may be NaN, times 0 */
        pack_along_columns(tile, width, p.table + j * p.d, here, p.d);
        for (Py_ssize_t b = 0; b < TILE; b += BLOCK) {
            Py_ssize_t words = pack_block(block, p, j + b, parts_needed(p, j + b, length));
            for (Py_ssize_t l = 0; weights && l < there(p, j + b, BLOCK); l++) starts[l] = weights[j + b + l];
            exponentials_of_block(p, own, n, j + b, states, block, words, starts, in_lanes, kept + b / 2, turned + b);
        }
        product(of_states, n, 1, kept, TILE / 2, 1, tile, width, TILE / 2);
    }
    _mm_sfence(); /* other threads may read what went past the caches */
    for (Py_ssize_t i = 0; i < p.n; i++) {
        sums[i] = _mm512_reduce_add_ps(_mm512_load_ps(in_lanes + i * LANES));
        memcpy(products + i * p.d, of_states + i * width, p.d * sizeof(float));
    }
end:
    free(states), free(block), free(tile), free(kept), free(in_lanes), free(of_states), free(starts);
    return -failed;
}

/* result (candidates of this call, d) = or += E^T states, with E as `exponentials` left it. 0, or -1 without memory. */
static int weigh(Problem p, const word *turned, int add, float *result)
{
    Py_ssize_t n = up(p.n, ROWS), width = up(p.d, LANES);
    word *states = zeros(n / 2 * width);
    float *sums = zeros(TILE * width);
    int failed = !states || !sums;
    if (failed) goto end;
    pack_along_columns(states, width, p.states, p.n, p.d);
    for (Py_ssize_t j = p.first; j < p.last; j += TILE, turned += n / 2 * TILE) {
        product(sums, TILE, 0, turned, 1, TILE, states, width, n / 2);
        for (Py_ssize_t i = 0; i < there(p, j, TILE); i++)
            for (Py_ssize_t c = 0; c < p.d; c++) {
                float *place = result + (j + i) * p.d + c;
                *place = add ? *place + sums[i * width + c] : sums[i * width + c];
            }
    }
end:
    free(states), free(sums);
    return -failed;
}

/* How far the rounded score of two vectors of d numbers may be off: by what rounding takes from each, times the other,
 * and the sums of both scores by little. Products, and squares in lengths, below the smallest normal number are lost. */
static float slack(Lengths one, Lengths other, Py_ssize_t d)
{
    float most = 1e-18f * sqrtf((float)d); /* such squares are of no more than this */
    float a = one.whole + most, b = other.whole + most, a_lost = one.lost + most, b_lost = other.lost + most;
    return 1.0001f * (a * b_lost + a_lost * (b + b_lost)) + (float)d * (0x1p-22f * a * b + FLT_MIN);
}

INLINE float dot(const float *x, const float *y, Py_ssize_t d)
{
    __m512 sum = _mm512_setzero_ps();
    for (Py_ssize_t c = 0; c < d; c += LANES) {
        __mmask16 inside = lanes(d - c);
        sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(inside, x + c), _mm512_maskz_loadu_ps(inside, y + c), sum);
    }
    return _mm512_reduce_add_ps(sum);
}

/* How many candidates score above the target of each state, and how many, but for itself, level with it. */
static int count_above(Problem p, int64_t *above, int64_t *level)
{
    Py_ssize_t n = up(p.n, ROWS), pairs = (p.d + 1) / 2;
    word *states = zeros(n * pairs), *block = zeros(pairs * BLOCK);
    float *own = malloc(p.n * sizeof(float));
    Lengths *lengths = malloc(p.n * sizeof(Lengths));
    int failed = !states || !block || !own || !lengths;
    if (failed) goto end;
    pack_along_rows(states, pairs, 1, p.states, p.n, p.d, 0);
    for (Py_ssize_t i = 0; i < p.n; i++) {
        own[i] = dot(p.states + i * p.d, p.table + p.targets[i] * p.d, p.d);
        lengths[i] = longest(p.states + i * p.d, 1, p.d);
        above[i] = level[i] = 0;
    }
    for (Py_ssize_t j = p.first; j < p.last; j += BLOCK) {
        Lengths length = longest(p.table + j * p.d, there(p, j, BLOCK), p.d);
        pack_block(block, p, j, 1);
        for (Py_ssize_t start = 0; start < n; start += ROWS) {
            __m512 scores[ROWS][WIDE];
            multiply(scores, WIDE, NULL, states + start * pairs, pairs, 1, block, BLOCK, pairs);
            UNROLL for (int r = 0; r < ROWS; r++) {
                Py_ssize_t i = start + r;
                if (i >= p.n) break;
                float margin = slack(lengths[i], length, p.d);
                __m512 high = _mm512_set1_ps(own[i] + margin), low = _mm512_set1_ps(own[i] - margin);
                uint64_t surely = 0, near = 0; /* one bit for each candidate of the block */
                UNROLL for (int v = 0; v < WIDE; v++) {
                    surely |= (uint64_t)_mm512_cmp_ps_mask(scores[r][v], high, _CMP_GT_OQ) << v * LANES;
                    near |= (uint64_t)_mm512_cmp_ps_mask(scores[r][v], low, _CMP_GE_OQ) << v * LANES;
                }
                uint64_t mask = others(j, p.last, p.targets[i]);
                above[i] += __builtin_popcountll(surely & mask);
                for (near &= mask & ~surely; near; near &= near - 1) {
                    const float *candidate = p.table + (j + __builtin_ctzll(near)) * p.d;
                    float score = dot(p.states + i * p.d, candidate, p.d);
                    above[i] += score > own[i];
                    level[i] += score == own[i];
                }
            }
        }
    }
end:
    free(states), free(block), free(own), free(lengths);
    return -failed;
}

/* The k best of what was offered: a heap with the worst of them on top; of equals the first is the better one. */
typedef struct {
    float value;
    int64_t code;
} Found;

static int worse(Found a, Found b) { return a.value < b.value || (a.value == b.value && a.code > b.code); }

static void sink(Found *heap, Py_ssize_t k, Found one)
{
    Py_ssize_t place = 0;
    for (Py_ssize_t child; (child = 2 * place + 1) < k; place = child) {
        child += child + 1 < k && worse(heap[child + 1], heap[child]);
        if (!worse(heap[child], one)) break;
        heap[place] = heap[child];
    }
    heap[place] = one;
}

static void offer(Found *heap, Py_ssize_t k, float value, int64_t code)
{
    Found one = {value, code};
    if (worse(heap[0], one)) sink(heap, k, one);
}

static void clear(Found *heap, Py_ssize_t k)
{
    for (Py_ssize_t i = 0; i < k; i++) heap[i] = (Found){-INFINITY, INT64_MAX};
}

/* Highest rounded score of some states in each block of candidates, row by row into highest (n, blocks). */
static void highest_of_blocks(
    Problem p, Py_ssize_t start, Py_ssize_t n, const word *states, word *block, float *highest)
{
    Py_ssize_t pairs = (p.d + 1) / 2, blocks = (p.m + BLOCK - 1) / BLOCK;
    for (Py_ssize_t j = 0; j < p.m; j += BLOCK, highest++) {
        pack_block(block, p, j, 1);
        for (Py_ssize_t i = 0; i < n; i += ROWS) {
            __m512 scores[ROWS][WIDE];
            multiply(scores, WIDE, NULL, states + (start + i) * pairs, pairs, 1, block, BLOCK, pairs);
            UNROLL for (int r = 0; r < ROWS; r++) {
                __m512 most = _mm512_set1_ps(-INFINITY);
                UNROLL for (int v = 0; v < WIDE; v++)
                    most = _mm512_mask_max_ps(most, lanes(p.m - j - v * LANES), most, scores[r][v]);
                highest[(i + r) * blocks] = _mm512_reduce_max_ps(most);
            }
        }
    }
}

/* Codes and scores of the k best candidates of each state, best first. All blocks count in which, for all that is
 * known of rounded scores, one of the best may be: k blocks hold a score of at least the k-th highest less `slack`. */
static int best(Problem p, Py_ssize_t k, int64_t *codes, float *values)
{
    Py_ssize_t n = up(p.n, ROWS), part = n < MOST ? n : MOST, pairs = (p.d + 1) / 2;
    Py_ssize_t blocks = (p.m + BLOCK - 1) / BLOCK;
    word *states = zeros((n + MOST) * pairs), *block = zeros(pairs * BLOCK);
    float *highest = malloc(part * blocks * sizeof(float));
    Lengths length = longest(p.table, p.m, p.d);
    Found *heap = malloc(k * sizeof(Found));
    int failed = !states || !block || !highest || !heap;
    if (failed) goto end;
    pack_along_rows(states, pairs, 1, p.states, p.n, p.d, 0);
    for (Py_ssize_t i = 0; i < p.n; i++) {
        if (i % part == 0) highest_of_blocks(p, i, part, states, block, highest);
        const float *state = p.states + i * p.d, *row = highest + i % part * blocks;
        clear(heap, k);
        for (Py_ssize_t b = 0; b < blocks; b++) offer(heap, k, row[b], b);
        float least = heap[0].value - 2 * slack(longest(state, 1, p.d), length, p.d);
        clear(heap, k);
        for (Py_ssize_t b = 0; b < blocks; b++)
            for (Py_ssize_t j = b * BLOCK; row[b] >= least && j < p.m && j < (b + 1) * BLOCK; j++)
                offer(heap, k, dot(state, p.table + j * p.d, p.d), j);
        for (Py_ssize_t left = k; left--;) { /* the worst first, to the end */
            codes[i * k + left] = heap[0].code, values[i * k + left] = heap[0].value;
            sink(heap, left, heap[left]);
        }
    }
end:
    free(states), free(block), free(highest), free(heap);
    return -failed;
}

#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

/* From here on Python's side: arrays as buffers, whose sizes must fit together. */

static PyObject *finish(Py_buffer *buffers, int n, int failed)
{
    for (int i = 0; i < n; i++) PyBuffer_Release(buffers + i);
    if (PyErr_Occurred()) return NULL;
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static int fits(int yes, const char *complaint)
{
    if (!yes) PyErr_SetString(PyExc_ValueError, complaint);
    return yes;
}

static int holds(const Py_buffer *b, Py_ssize_t n, size_t size) { return b->len == n * (Py_ssize_t)size; }

/* The problem of states, a table of d columns, and targets, if there are any; all candidates at first. */
static int understand(
    Problem *p, Py_ssize_t d, const Py_buffer *states, const Py_buffer *table, const Py_buffer *targets)
{
    Py_ssize_t row = d * (Py_ssize_t)sizeof(float);
    int whole = d > 0 && states->len && table->len && states->len % row == 0 && table->len % row == 0;
    if (!fits(whole, "states and table need rows of d float32, at least one each.")) return 0;
    *p = (Problem){.states = states->buf, .table = table->buf, .targets = targets ? targets->buf : NULL, .d = d};
    p->n = states->len / row, p->m = p->last = table->len / row;
    if (!targets) return 1;
    int right = holds(targets, p->n, sizeof(int64_t));
    for (Py_ssize_t i = 0; right && i < p->n; i++) right = 0 <= p->targets[i] && p->targets[i] < p->m;
    return fits(right, "targets need one row of the table, as int64, for each state.");
}

static int narrow(Problem *p, Py_ssize_t first, Py_ssize_t last)
{
    p->first = first, p->last = last;
    return fits(0 <= first && first < last && last <= p->m, "first and last must enclose rows of the table.");
}

static PyObject *py_log_sums(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[4];
    Py_ssize_t d, first, last;
    int failed = 0;
    if (!PyArg_ParseTuple(args, "ny*y*y*nnw*", &d, b, b + 1, b + 2, &first, &last, b + 3)) return NULL;
    if (understand(&p, d, b, b + 1, b + 2) && narrow(&p, first, last) &&
        fits(holds(b + 3, p.n, sizeof(float)), "the result needs one float32 for each state.")) {
        Py_BEGIN_ALLOW_THREADS
        failed = log_sums(p, b[3].buf);
        Py_END_ALLOW_THREADS
    }
    return finish(b, 4, failed);
}

/* Words that E takes, of n states and the candidates of a call. */
static Py_ssize_t room(Py_ssize_t n, Py_ssize_t candidates) { return up(n, ROWS) / 2 * up(candidates, TILE); }

static int has_room(const Py_buffer *b, Py_ssize_t n, Py_ssize_t candidates)
{
    int has = holds(b, room(n, candidates), sizeof(word)) && (uintptr_t)b->buf % LINE == 0;
    return fits(has, "exponentials need their room, from a whole line of the cache on.");
}

static PyObject *py_room(PyObject *self, PyObject *args)
{
    Py_ssize_t n, candidates;
    if (!PyArg_ParseTuple(args, "nn", &n, &candidates)) return NULL;
    return PyLong_FromSsize_t(room(n, candidates));
}

static PyObject *py_exponentials(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[8];
    Py_ssize_t d, first, last;
    int failed = 0;
    if (!PyArg_ParseTuple(
            args, "ny*y*y*nny*y*w*w*w*", &d, b, b + 1, b + 2, &first, &last, b + 3, b + 4, b + 5, b + 6, b + 7))
        return NULL;
    if (understand(&p, d, b, b + 1, b + 2) && narrow(&p, first, last) &&
        fits(!b[3].len || holds(b + 3, p.m, sizeof(float)), "weights need one float32 for each candidate, or none.") &&
        fits(holds(b + 4, p.n, sizeof(float)) && holds(b + 6, p.n, sizeof(float)) && b[7].len == b[0].len,
             "own scores and sums need one float32 for each state, products the size of states.") &&
        has_room(b + 5, p.n, last - first)) {
        Py_BEGIN_ALLOW_THREADS
        failed = exponentials(p, b[3].len ? b[3].buf : NULL, b[4].buf, b[5].buf, b[6].buf, b[7].buf);
        Py_END_ALLOW_THREADS
    }
    return finish(b, 8, failed);
}

static PyObject *py_weigh(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[3];
    Py_ssize_t d, first, last;
    int add, failed = 0;
    if (!PyArg_ParseTuple(args, "ny*y*nnpw*", &d, b, b + 1, &first, &last, &add, b + 2)) return NULL;
    if (understand(&p, d, b, b + 2, NULL) && narrow(&p, first, last) &&
        has_room(b + 1, p.n, last - first)) {
        Py_BEGIN_ALLOW_THREADS
        failed = weigh(p, b[1].buf, add, b[2].buf);
        Py_END_ALLOW_THREADS
    }
    return finish(b, 3, failed);
}

static PyObject *py_count_above(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[5];
    Py_ssize_t d;
    int failed = 0;
    if (!PyArg_ParseTuple(args, "ny*y*y*w*w*", &d, b, b + 1, b + 2, b + 3, b + 4)) return NULL;
    if (understand(&p, d, b, b + 1, b + 2) &&
        fits(b[3].len == b[2].len && b[4].len == b[2].len, "counts need one int64 for each state.")) {
        Py_BEGIN_ALLOW_THREADS
        failed = count_above(p, b[3].buf, b[4].buf);
        Py_END_ALLOW_THREADS
    }
    return finish(b, 5, failed);
}

static PyObject *py_best(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[4];
    Py_ssize_t d, k;
    int failed = 0;
    if (!PyArg_ParseTuple(args, "ny*y*nw*w*", &d, b, b + 1, &k, b + 2, b + 3)) return NULL;
    if (understand(&p, d, b, b + 1, NULL) &&
        fits(1 <= k && k <= p.m, "k must be between 1 and the rows of the table.") &&
        fits(holds(b + 2, p.n * k, sizeof(int64_t)) && holds(b + 3, p.n * k, sizeof(float)),
             "codes and values need k int64 and float32 for each state.")) {
        Py_BEGIN_ALLOW_THREADS
        failed = best(p, k, b[2].buf, b[3].buf);
        Py_END_ALLOW_THREADS
    }
    return finish(b, 4, failed);
}

static PyMethodDef methods[] = {
    {"log_sums", py_log_sums, METH_VARARGS, NULL},
    {"room", py_room, METH_VARARGS, NULL},
    {"exponentials", py_exponentials, METH_VARARGS, NULL},
    {"weigh", py_weigh, METH_VARARGS, NULL},
    {"count_above", py_count_above, METH_VARARGS, NULL},
    {"best", py_best, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModule_Create(&module); }
