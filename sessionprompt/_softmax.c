/* The softmax over all candidates, and what its cross-entropy needs of it, on processors that multiply bfloat16.
 *
 * Without a compiler the library does the same with torch's products (`_sweeps.Tiles`); those must write all scores
 * to memory between a product and its exponentials. Here scores live in registers and are exponentiated where they
 * are made. They are made twice, once for their sum and once for the gradients, which is cheaper than keeping them.
 *
 * States (n, d), table (m, d) and all results are float32, row after row; factors of products are rounded to bfloat16,
 * sums are float32. The processor takes bfloat16 in pairs: lane l of a sum gains a.first * b[l].first + a.second *
 * b[l].second. So matrices are packed into words, two numbers that are neighbours along the axis summed over.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#if !defined(__x86_64__) || !defined(__GNUC__)
#error "this file is for x86-64, and for compilers that know GCC's target pragma"
#endif
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANES = 16,           /* float32 of a register; words too */
    ROWS = 6,             /* of a block of sums: 6 x 4 registers, which leaves 8 of 32 for factors */
    WIDE = 4,             /* registers in a row of it */
    BLOCK = WIDE * LANES, /* candidates scored at a time */
    TILE = 3 * BLOCK,     /* candidates whose softmax is kept at a time, a multiple of ROWS */
    MOST = 100 * ROWS,    /* states for which it is: twice 230 kB, half of a core's cache */
};
#define LOG2E 1.44269504f
#define INLINE static inline __attribute__((always_inline)) /* so that `wide` is a constant and loops unroll */
#define UNROLL _Pragma("GCC unroll 6")

typedef uint32_t word; /* two bfloat16 */

typedef struct {
    const float *states, *table;
    const int64_t *targets;
    Py_ssize_t n, m, d;
    Py_ssize_t first, last; /* candidates of this call; other threads take others */
} Problem;

static Py_ssize_t up(Py_ssize_t n, Py_ssize_t step) { return (n + step - 1) / step * step; }

static __mmask16 lanes(Py_ssize_t n) { return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1); }

/* Lanes of candidates first, first + 1, ... that are there (before `last`) and not the target. */
INLINE __mmask16 others(Py_ssize_t first, Py_ssize_t last, Py_ssize_t target)
{
    __mmask16 there = lanes(last - first);
    return target >= first && target < first + LANES ? there & (__mmask16) ~(1u << (target - first)) : there;
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

/* to[i * row + k * pair] = columns 2k and 2k + 1 of row i. */
static void pack_along_rows(word *to, Py_ssize_t row, Py_ssize_t pair, const float *from, Py_ssize_t n, Py_ssize_t d)
{
    int places[LANES]; /* of the words of a register */
    for (int l = 0; l < LANES; l++) places[l] = l * (int)pair;
    __m512i place = _mm512_loadu_si512(places);
    for (Py_ssize_t i = 0; i < n; i++, from += d)
        for (Py_ssize_t c = 0; c < d; c += 2 * LANES) {
            __m512 low = _mm512_maskz_loadu_ps(lanes(d - c), from + c);
            __m512 high = _mm512_maskz_loadu_ps(lanes(d - c - LANES), from + c + LANES);
            __m512i words = (__m512i)_mm512_cvtne2ps_pbh(high, low);
            _mm512_mask_i32scatter_epi32(to + i * row + c / 2 * pair, lanes((d - c + 1) / 2), place, words, 4);
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

/* sums[r] = row r of words, its k-th at left[r * row + k * pair], times right[k * width], `wide` registers of words. */
INLINE void multiply(
    __m512 sums[ROWS][WIDE], int wide, const word *left, Py_ssize_t row, Py_ssize_t pair, const word *right,
    Py_ssize_t width, Py_ssize_t pairs)
{
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < wide; v++) sums[r][v] = _mm512_setzero_ps();
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
    multiply(sums, wide, left, row, pair, right, width, pairs);
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
    for (Py_ssize_t c = 0, wide; c < width; c += wide * LANES) {
        wide = width - c >= BLOCK ? WIDE : 1;
        for (Py_ssize_t i = 0; i < n; i += ROWS) {
            if (wide == WIDE)
                multiply_into(to + i * width + c, width, WIDE, add, left + i * row, row, pair, right + c, width, pairs);
            else
                multiply_into(to + i * width + c, width, 1, add, left + i * row, row, pair, right + c, width, pairs);
        }
    }
}

/* result[i] = log of the sum of exp(score of i) over all candidates but its target. 0, or -1 without memory. */
static int log_sums(Problem p, float *result)
{
    Py_ssize_t n = up(p.n, ROWS), pairs = (p.d + 1) / 2;
    word *states = calloc(n * pairs, sizeof(word)), *block = calloc(pairs * BLOCK, sizeof(word));
    float *sums = calloc(n * LANES, sizeof(float));
    int failed = !states || !block || !sums;
    if (failed) goto end;
    pack_along_rows(states, pairs, 1, p.states, p.n, p.d);
    for (Py_ssize_t i = 0; i < p.n; i++) result[i] = -FLT_MAX; /* until the end: what is taken off scores of i */
    for (Py_ssize_t j = p.first; j < p.last; j += BLOCK) {
        pack_along_rows(block, 1, BLOCK, p.table + j * p.d, p.last - j < BLOCK ? p.last - j : BLOCK, p.d);
        for (Py_ssize_t start = 0; start < n; start += ROWS) {
            __m512 scores[ROWS][WIDE];
            multiply(scores, WIDE, states + start * pairs, pairs, 1, block, BLOCK, pairs);
            UNROLL for (int r = 0; r < ROWS; r++) {
                Py_ssize_t i = start + r;
                if (i >= p.n) break;
                __mmask16 mask[WIDE];
                __m512 most = _mm512_set1_ps(-FLT_MAX), sum = _mm512_loadu_ps(sums + i * LANES);
                UNROLL for (int v = 0; v < WIDE; v++) {
                    mask[v] = others(j + v * LANES, p.last, p.targets[i]);
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
                _mm512_storeu_ps(sums + i * LANES, sum);
            }
        }
    }
    for (Py_ssize_t i = 0; i < p.n; i++) result[i] += logf(_mm512_reduce_add_ps(_mm512_loadu_ps(sums + i * LANES)));
end:
    free(states), free(block), free(sums);
    return -failed;
}

/* Softmax of n states from `start` on, n a multiple of ROWS, and the BLOCK candidates from j on: exp(score + shift),
 * zero for targets and beyond the last candidate and state. By rows into kept (n, TILE / 2), words of neighbouring
 * candidates, and turned (n / 2, TILE), words of neighbouring states. */
static void softmax(
    Problem p, const float *shifts, Py_ssize_t start, Py_ssize_t n, Py_ssize_t j, const word *states, const word *block,
    word *kept, word *turned)
{
    Py_ssize_t pairs = (p.d + 1) / 2;
    uint16_t places[2 * LANES]; /* of two halves whose numbers shall alternate */
    for (int l = 0; l < 2 * LANES; l++) places[l] = (uint16_t)(l / 2 + l % 2 * LANES);
    __m512i alternate = _mm512_loadu_si512(places);
    for (Py_ssize_t i = 0; i < n; i += ROWS, kept += ROWS * TILE / 2, turned += ROWS / 2 * TILE) {
        __m512 q[ROWS][WIDE]; /* scores, then softmax */
        multiply(q, WIDE, states + (start + i) * pairs, pairs, 1, block, BLOCK, pairs);
        UNROLL for (int r = 0; r < ROWS; r++) {
            int there = start + i + r < p.n;
            __m512 shift = _mm512_set1_ps(there ? LOG2E * shifts[start + i + r] : 0);
            UNROLL for (int v = 0; v < WIDE; v++) {
                __mmask16 mask = there ? others(j + v * LANES, p.last, p.targets[start + i + r]) : 0;
                q[r][v] = _mm512_maskz_mov_ps(mask, exp2_of(_mm512_fmadd_ps(q[r][v], _mm512_set1_ps(LOG2E), shift)));
            }
            UNROLL for (int v = 0; v < WIDE; v += 2) {
                __m512i both = (__m512i)_mm512_cvtne2ps_pbh(q[r][v + 1], q[r][v]);
                _mm512_storeu_si512(kept + (r * TILE + v * LANES) / 2, both);
            }
        }
        UNROLL for (int r = 0; r < ROWS; r += 2)
            UNROLL for (int v = 0; v < WIDE; v++) {
                __m512i both = (__m512i)_mm512_cvtne2ps_pbh(q[r + 1][v], q[r][v]);
                _mm512_storeu_si512(turned + r / 2 * TILE + v * LANES, _mm512_permutexvar_epi16(alternate, both));
            }
    }
}

/* states_grad (n, d) = P table and table_grad (m, d) = P^T states, the latter for the candidates of this call, with
 * P = exp(score + shift of its row), zero for targets. 0, or -1 without memory. */
static int gradients(Problem p, const float *shifts, float *states_grad, float *table_grad)
{
    Py_ssize_t parts = (p.n + MOST - 1) / MOST, part = up((p.n + parts - 1) / parts, ROWS), n = parts * part;
    Py_ssize_t pairs = (p.d + 1) / 2, width = up(p.d, LANES);
    word *by_row = calloc(n * pairs, sizeof(word)), *by_column = calloc(n / 2 * width, sizeof(word));
    word *block = calloc(pairs * BLOCK, sizeof(word)), *tile = calloc(TILE / 2 * width, sizeof(word));
    word *kept = malloc(part * TILE / 2 * sizeof(word)), *turned = malloc(part / 2 * TILE * sizeof(word));
    float *of_states = calloc(n * width, sizeof(float)), *of_table = malloc(TILE * width * sizeof(float));
    int failed = !by_row || !by_column || !block || !tile || !kept || !turned || !of_states || !of_table;
    if (failed) goto end;
    pack_along_rows(by_row, pairs, 1, p.states, p.n, p.d);
    pack_along_columns(by_column, width, p.states, p.n, p.d);
    for (Py_ssize_t j = p.first; j < p.last; j += TILE) {
        Py_ssize_t here = p.last - j < TILE ? p.last - j : TILE;
        if (here < TILE) memset(tile, 0, TILE / 2 * width * sizeof(word)); /* what was there may be NaN, times 0 */
        pack_along_columns(tile, width, p.table + j * p.d, here, p.d);
        for (Py_ssize_t start = 0; start < n; start += part) {
            for (Py_ssize_t b = 0; b < TILE; b += BLOCK) {
                Py_ssize_t some = here - b < BLOCK ? here - b : BLOCK;
                pack_along_rows(block, 1, BLOCK, p.table + (j + b) * p.d, some, p.d);
                softmax(p, shifts, start, part, j + b, by_row, block, kept + b / 2, turned + b);
            }
            product(of_states + start * width, part, 1, kept, TILE / 2, 1, tile, width, TILE / 2);
            product(of_table, TILE, start > 0, turned, 1, TILE, by_column + start / 2 * width, width, part / 2);
        }
        for (Py_ssize_t i = 0; i < here; i++)
            memcpy(table_grad + (j + i) * p.d, of_table + i * width, p.d * sizeof(float));
    }
    for (Py_ssize_t i = 0; i < p.n; i++) memcpy(states_grad + i * p.d, of_states + i * width, p.d * sizeof(float));
end:
    free(by_row), free(by_column), free(block), free(tile), free(kept), free(turned), free(of_states), free(of_table);
    return -failed;
}

/* From here on Python's side: arrays as buffers, whose sizes say n, m and d and must fit together. */

static int holds(const Py_buffer *buffer, Py_ssize_t n, size_t size) { return buffer->len == n * (Py_ssize_t)size; }

static PyObject *finish(Py_buffer *buffers, int n, int failed)
{
    for (int i = 0; i < n; i++) PyBuffer_Release(buffers + i);
    if (PyErr_Occurred()) return NULL;
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* Sizes follow from the number of targets; candidates first..last-1 must be rows of the table. */
static int understand(Problem *p, const Py_buffer *b)
{
    p->states = b[0].buf, p->table = b[1].buf, p->targets = b[2].buf, p->n = b[2].len / (Py_ssize_t)sizeof(int64_t);
    p->d = p->n ? b[0].len / p->n / (Py_ssize_t)sizeof(float) : 0;
    p->m = p->d ? b[1].len / p->d / (Py_ssize_t)sizeof(float) : 0;
    int fits = p->m && holds(b, p->n * p->d, sizeof(float)) && holds(b + 1, p->m * p->d, sizeof(float));
    fits = fits && 0 <= p->first && p->first < p->last && p->last <= p->m;
    if (!fits) PyErr_SetString(PyExc_ValueError, "states, table, targets and range do not fit together.");
    return fits;
}

static PyObject *py_log_sums(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[4];
    int failed = 0;
    if (!PyArg_ParseTuple(args, "y*y*y*nnw*", b, b + 1, b + 2, &p.first, &p.last, b + 3)) return NULL;
    if (understand(&p, b) && holds(b + 3, p.n, sizeof(float))) {
        Py_BEGIN_ALLOW_THREADS
        failed = log_sums(p, b[3].buf);
        Py_END_ALLOW_THREADS
    } else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "result needs one float32 per state.");
    return finish(b, 4, failed);
}

static PyObject *py_gradients(PyObject *self, PyObject *args)
{
    Problem p;
    Py_buffer b[6];
    int failed = 0;
    if (!PyArg_ParseTuple(args, "y*y*y*nny*w*w*", b, b + 1, b + 2, &p.first, &p.last, b + 3, b + 4, b + 5)) return NULL;
    if (understand(&p, b) && holds(b + 3, p.n, sizeof(float)) && b[4].len == b[0].len && b[5].len == b[1].len) {
        Py_BEGIN_ALLOW_THREADS
        failed = gradients(p, b[3].buf, b[4].buf, b[5].buf);
        Py_END_ALLOW_THREADS
    } else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, "shifts or gradients do not have the sizes of states and table.");
    return finish(b, 6, failed);
}

static PyMethodDef methods[] = {
    {"log_sums", py_log_sums, METH_VARARGS, NULL},
    {"gradients", py_gradients, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_softmax", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__softmax(void) { return PyModule_Create(&module); }
