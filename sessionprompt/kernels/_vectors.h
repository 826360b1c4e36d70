/* Matrices as pairs of bfloat16, their products, and exponentials, by AVX-512 BF16.
 *
 * The processor multiplies bfloat16 in pairs: lane l of a sum gains a.first * b[l].first +
 * a.second * b[l].second. So matrices are packed into pairs of numbers that are neighbours along
 * the axis that is summed over. Sums are float32.
 *
 * `_bfloat16.c` includes what this file needs, and says for which processor it is compiled.
 */
#ifndef SESSIONPROMPT_VECTORS_H
#define SESSIONPROMPT_VECTORS_H

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 6")
#endif
#define INLINE static inline __attribute__((always_inline)) /* constants must reach the loops */

enum {
    /* float32 of a register of 512 bits; pairs too */
    LANES = 16,
    /* A block of sums stays in 6 x 4 of the 32 registers; 4 more hold factors of candidates and one
     * a factor of a state. A step then loads 10 factors for its 24 products, and the processor can
     * load as many as it multiplies. */
    BLOCK_STATES = 6,
    BLOCK_REGISTERS = 4,
    BLOCK = BLOCK_REGISTERS * LANES, /* candidates */
    /* Candidates whose exponentials are multiplied at a time: the least number that is full blocks
     * of columns for the one product and full blocks of rows for the other. Packed, 192 candidates
     * of 64 numbers take 24 KB, which a first-level cache of 32 KB holds. */
    TILE = 3 * BLOCK,
    /* States whose best candidates are searched at a time. The table is packed anew for each such
     * group, which costs as much as scoring some 64 states. */
    SEARCHED_STATES = 100 * BLOCK_STATES,
    /* bytes that caches move at a time; a register that straddles two takes twice as long */
    CACHE_LINE = 64,
};
_Static_assert(TILE % BLOCK == 0 && TILE % BLOCK_STATES == 0, "tiles are full blocks both ways");

typedef uint32_t Pair; /* two bfloat16 */

typedef struct {
    const float *values; /* (n, dim), row after row */
    Py_ssize_t n, dim;
} Matrix;

/* Packed rows: pair k of row i is pairs[i * row + k * step]. */
typedef struct {
    Pair *pairs;
    Py_ssize_t row, step;
} Rows;

/* Packed columns: pair k of column c is pairs[k * width + c]. */
typedef struct {
    Pair *pairs;
    Py_ssize_t width;
} Columns;

typedef enum { ROUNDED, LOST } Part; /* the bfloat16 of a number, or what rounding it takes */

static Py_ssize_t round_up(Py_ssize_t n, Py_ssize_t step) { return (n + step - 1) / step * step; }

static Py_ssize_t at_most(Py_ssize_t n, Py_ssize_t bound) { return n < bound ? n : bound; }

/* n zeros of 4 bytes; NULL without memory. */
static void *allocate_zeros(Py_ssize_t n)
{
    size_t bytes = round_up(n * 4, CACHE_LINE);
    void *memory = aligned_alloc(CACHE_LINE, bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

static Matrix rows_from(Matrix matrix, Py_ssize_t start, Py_ssize_t n)
{
    return (Matrix){matrix.values + start * matrix.dim, n, matrix.dim};
}

/* Mask of the first n lanes; of all or none, if n is out of bounds. */
static __mmask16 first_lanes(Py_ssize_t n)
{
    if (n >= LANES) return 0xffff;
    if (n <= 0) return 0;
    return (__mmask16)((1u << n) - 1);
}

/* 2^x, with a relative error of at most 2.1e-7 (all float32 of [-1/2, 1/2] in steps of 5e-7).
 *
 * The polynomial is the least-squares fit of degree 5 to 2^x on 100 Chebyshev nodes of [-1/2, 1/2],
 * weighted by 2^-x; in exact arithmetic it errs by 7.8e-8, the best one by 7.5e-8. The whole part
 * of x shifts the result. */
INLINE __m512 exp2_of(__m512 x)
{
    __m512 whole = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 part = _mm512_sub_ps(x, whole);
    __m512 sum = _mm512_set1_ps(0.00132669704f);
    sum = _mm512_fmadd_ps(sum, part, _mm512_set1_ps(0.00967545975f));
    sum = _mm512_fmadd_ps(sum, part, _mm512_set1_ps(0.0555074262f));
    sum = _mm512_fmadd_ps(sum, part, _mm512_set1_ps(0.240221218f));
    sum = _mm512_fmadd_ps(sum, part, _mm512_set1_ps(0.693146949f));
    sum = _mm512_fmadd_ps(sum, part, _mm512_set1_ps(1.00000007f));
    return _mm512_scalef_ps(sum, whole);
}

/* What rounding to bfloat16 takes from numbers. */
INLINE __m512 lost_part(__m512 x)
{
    __m512i rounded = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
    return _mm512_sub_ps(x, (__m512)_mm512_slli_epi32(rounded, 16));
}

/* Row i of `to` = row i of `from`, columns 2k and 2k + 1 in pair k. */
static void pack_rows(Rows to, Matrix from, Part part)
{
    Pair pairs[LANES];
    for (Py_ssize_t i = 0; i < from.n; i++)
        for (Py_ssize_t c = 0; c < from.dim; c += 2 * LANES) {
            const float *numbers = from.values + i * from.dim + c;
            Py_ssize_t left = from.dim - c; /* columns */
            __m512 low = _mm512_maskz_loadu_ps(first_lanes(left), numbers);
            __m512 high = _mm512_maskz_loadu_ps(first_lanes(left - LANES), numbers + LANES);
            if (part == LOST) {
                low = lost_part(low);
                high = lost_part(high);
            }
            _mm512_storeu_si512(pairs, (__m512i)_mm512_cvtne2ps_pbh(high, low));
            Pair *place = to.pairs + i * to.row + c / 2 * to.step;
            Py_ssize_t here = at_most((left + 1) / 2, LANES);
            for (Py_ssize_t l = 0; l < here; l++) place[l * to.step] = pairs[l];
        }
}

/* Column c of `to` = column c of `from`, rows 2k and 2k + 1 in pair k. */
static void pack_columns(Columns to, Matrix from)
{
    for (Py_ssize_t i = 0; i < from.n; i += 2)
        for (Py_ssize_t c = 0; c < from.dim; c += LANES) {
            const float *numbers = from.values + i * from.dim + c;
            __mmask16 inside = first_lanes(from.dim - c);
            __mmask16 next_inside = i + 1 < from.n ? inside : 0;
            __m512 row = _mm512_maskz_loadu_ps(inside, numbers);
            __m512 next = _mm512_maskz_loadu_ps(next_inside, numbers + from.dim);
            __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(row));
            __m512i high = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(next));
            __m512i both = _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
            _mm512_storeu_si512(to.pairs + i / 2 * to.width + c, both);
        }
}

/* sums[r] = starts, if there are any, + the sum over k of pair k of row r, left, times pair k of
 * the first columns, right: as many registers of them as `registers` says. */
INLINE void multiply(
    __m512 sums[BLOCK_STATES][BLOCK_REGISTERS], int registers, const float *starts, Rows left,
    Columns right, Py_ssize_t n_pairs)
{
    UNROLL for (int r = 0; r < BLOCK_STATES; r++)
        UNROLL for (int v = 0; v < registers; v++)
            sums[r][v] = starts ? _mm512_load_ps(starts + v * LANES) : _mm512_setzero_ps();
    for (Py_ssize_t k = 0; k < n_pairs; k++, left.pairs += left.step, right.pairs += right.width) {
        __m512bh factors[BLOCK_REGISTERS];
        UNROLL for (int v = 0; v < registers; v++)
            factors[v] = (__m512bh)_mm512_loadu_si512(right.pairs + v * LANES);
        UNROLL for (int r = 0; r < BLOCK_STATES; r++) {
            __m512bh factor = (__m512bh)_mm512_set1_epi32((int)left.pairs[r * left.row]);
            UNROLL for (int v = 0; v < registers; v++)
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], factor, factors[v]);
        }
    }
}

/* The same into the matrix `to`, whose rows are as wide as all columns, or added to it. */
INLINE void multiply_into(
    float *to, int add, int registers, Rows left, Columns right, Py_ssize_t n_pairs)
{
    __m512 sums[BLOCK_STATES][BLOCK_REGISTERS];
    multiply(sums, registers, NULL, left, right, n_pairs);
    UNROLL for (int r = 0; r < BLOCK_STATES; r++)
        UNROLL for (int v = 0; v < registers; v++) {
            float *place = to + r * right.width + v * LANES;
            if (add) sums[r][v] = _mm512_add_ps(_mm512_loadu_ps(place), sums[r][v]);
            _mm512_storeu_ps(place, sums[r][v]);
        }
}

/* to (n, width) = or += n rows times all columns; n is whole blocks, width whole registers. */
static void product(
    float *to, Py_ssize_t n, int add, Rows left, Columns right, Py_ssize_t n_pairs)
{
    for (Py_ssize_t c = 0; c < right.width; c += BLOCK)
        for (Py_ssize_t i = 0; i < n; i += BLOCK_STATES) {
            float *place = to + i * right.width + c;
            Rows rows = {left.pairs + i * left.row, left.row, left.step};
            Columns columns = {right.pairs + c, right.width};
            switch ((right.width - c) / LANES) {
            case 1: multiply_into(place, add, 1, rows, columns, n_pairs); break;
            case 2: multiply_into(place, add, 2, rows, columns, n_pairs); break;
            case 3: multiply_into(place, add, 3, rows, columns, n_pairs); break;
            default: multiply_into(place, add, BLOCK_REGISTERS, rows, columns, n_pairs);
            }
        }
}

INLINE float dot(const float *x, const float *y, Py_ssize_t dim)
{
    __m512 sum = _mm512_setzero_ps();
    for (Py_ssize_t c = 0; c < dim; c += LANES) {
        __mmask16 inside = first_lanes(dim - c);
        __m512 one = _mm512_maskz_loadu_ps(inside, x + c);
        __m512 other = _mm512_maskz_loadu_ps(inside, y + c);
        sum = _mm512_fmadd_ps(one, other, sum);
    }
    return _mm512_reduce_add_ps(sum);
}

/* Length of the longest row of a matrix, and of the most that rounding takes from one. */
typedef struct {
    float whole, lost;
} Lengths;

static Lengths longest(Matrix matrix)
{
    Lengths squares = {0, 0};
    for (Py_ssize_t i = 0; i < matrix.n; i++) {
        __m512 whole = _mm512_setzero_ps();
        __m512 lost = _mm512_setzero_ps();
        for (Py_ssize_t c = 0; c < matrix.dim; c += LANES) {
            const float *numbers = matrix.values + i * matrix.dim + c;
            __m512 x = _mm512_maskz_loadu_ps(first_lanes(matrix.dim - c), numbers);
            __m512 less = lost_part(x);
            whole = _mm512_fmadd_ps(x, x, whole);
            lost = _mm512_fmadd_ps(less, less, lost);
        }
        squares.whole = fmaxf(squares.whole, _mm512_reduce_add_ps(whole));
        squares.lost = fmaxf(squares.lost, _mm512_reduce_add_ps(lost));
    }
    return (Lengths){sqrtf(squares.whole), sqrtf(squares.lost)};
}

#endif
