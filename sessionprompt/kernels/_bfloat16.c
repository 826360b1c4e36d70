/* Python's side of the kernels: arrays as buffers, whose kinds and sizes must fit together.
 *
 * The kernels score all candidates on processors that multiply bfloat16, for the softmax and its
 * gradients (`_softmax.h`), and for ranks and the best candidates (`_ranking.h`). Without a
 * compiler the library does the same with torch's products; those must write all scores to memory,
 * and read them again for whatever is made of them. Here scores live in registers and are used up
 * where they are made (`_scores.h`, `_vectors.h`).
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#if !defined(__x86_64__) || !defined(__GNUC__)
#error "the kernels are for x86-64, and for GCC or Clang"
#endif
#include <cpuid.h>
#include <float.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_arrays.h"

/* The kernels alone: Python's side must run anywhere, as importing does not yet mean using. */
#ifdef __clang__
#define PROCESSOR __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#pragma clang attribute push(PROCESSOR, apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")
#endif
#include "_ranking.h"
#include "_softmax.h"
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

static const Kind INT32 = {"int32", "il", 4};

/* A matrix; without values, and with an error set, if the object is none. */
static Matrix take_matrix(Arrays *arrays, PyObject *object, const char *name, int access)
{
    const Py_buffer *view = take(arrays, object, name, FLOAT32, access);
    if (!view) return (Matrix){NULL, 0, 0};
    if (view->ndim == 2 && view->len > 0)
        return (Matrix){view->buf, view->shape[0], view->shape[1]};
    PyErr_Format(PyExc_ValueError, "%s need rows of d float32, at least one.", name);
    return (Matrix){NULL, 0, 0};
}

/* States and a table of as many columns; all candidates at first. */
static int take_problem(
    Arrays *arrays, Problem *problem, PyObject *states, PyObject *table, int access)
{
    *problem = (Problem){.states = take_matrix(arrays, states, "states", READ)};
    if (!problem->states.values) return 0;
    problem->table = take_matrix(arrays, table, "candidates", access);
    if (!problem->table.values) return 0;
    problem->last = problem->table.n;
    if (problem->states.dim == problem->table.dim) return 1;
    PyErr_Format(
        PyExc_ValueError, "states of %zd numbers need candidates of as many, not of %zd.",
        problem->states.dim, problem->table.dim);
    return 0;
}

/* Targets, one row of the table for each state, or `least` = -1 for none. */
static int take_targets(Arrays *arrays, Problem *problem, PyObject *object, Py_ssize_t least)
{
    Py_ssize_t n = problem->states.n;
    problem->targets = take_some(arrays, object, "targets", INT64, READ, n);
    if (!problem->targets) return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        long long target = problem->targets[i];
        if (least <= target && target < problem->table.n) continue;
        PyErr_Format(
            PyExc_ValueError, "targets need one row of the table each, %zd to %zd; %lld is none.",
            least, problem->table.n - 1, target);
        return 0;
    }
    return 1;
}

static int narrow(Problem *problem, Py_ssize_t first, Py_ssize_t last)
{
    problem->first = first;
    problem->last = last;
    if (0 <= first && first < last && last <= problem->table.n) return 1;
    PyErr_Format(
        PyExc_ValueError, "first=%zd and last=%zd must enclose rows of the table of %zd.", first,
        last, problem->table.n);
    return 0;
}

/* Pairs that the exponentials of n states and some candidates take; -1 if nothing can hold them. */
static Py_ssize_t buffer_size(Py_ssize_t n, Py_ssize_t candidates)
{
    Py_ssize_t size;
    if (n < 0 || candidates < 0) return -1;
    if (n > PY_SSIZE_T_MAX - BLOCK_STATES || candidates > PY_SSIZE_T_MAX - TILE) return -1;
    Py_ssize_t rows = round_up(n, BLOCK_STATES) / 2;
    if (__builtin_mul_overflow(rows, round_up(candidates, TILE), &size)) return -1;
    return size <= PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(Pair) ? size : -1;
}

static Pair *take_exponentials(
    Arrays *arrays, const Problem *problem, PyObject *object, int access)
{
    Py_ssize_t size = buffer_size(problem->states.n, problem->last - problem->first);
    Pair *pairs = take_some(arrays, object, "exponentials", INT32, access, size);
    if (!pairs || (uintptr_t)pairs % CACHE_LINE == 0) return pairs;
    PyErr_SetString(
        PyExc_ValueError, "exponentials need memory from a whole line of the cache on.");
    return NULL;
}

static PyObject *py_buffer_size(PyObject *self, PyObject *args)
{
    Py_ssize_t n, candidates;
    if (!PyArg_ParseTuple(args, "nn", &n, &candidates)) return NULL;
    Py_ssize_t size = buffer_size(n, candidates);
    if (size >= 0) return PyLong_FromSsize_t(size);
    return PyErr_Format(
        PyExc_ValueError, "exponentials of n=%zd states and %zd candidates fit no memory.", n,
        candidates);
}

static PyObject *py_logsumexp(PyObject *self, PyObject *args)
{
    PyObject *states, *table, *targets, *result;
    Py_ssize_t first, last;
    if (!PyArg_ParseTuple(args, "OOOnnO", &states, &table, &targets, &first, &last, &result))
        return NULL;
    Problem problem;
    Arrays arrays = {.held = 0};
    float *sums = NULL;
    int failed = 0;
    if (take_problem(&arrays, &problem, states, table, READ) &&
        take_targets(&arrays, &problem, targets, 0) && narrow(&problem, first, last))
        sums = take_some(&arrays, result, "sums", FLOAT32, WRITE, problem.states.n);
    if (sums) {
        Py_BEGIN_ALLOW_THREADS
        failed = logsumexp(&problem, sums);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

/* What the way forward takes beside states, table and targets. */
typedef struct {
    PyObject *weights, *target_scores, *exponentials, *sums, *products;
} ForwardObjects;
typedef struct {
    const float *weights, *target_scores;
    Pair *exponentials;
    float *sums, *products;
} ForwardArrays;

/* 1, or 0 with an error set; weights are one for each candidate, or there are none. */
static int take_forward(
    Arrays *arrays, const Problem *problem, ForwardObjects objects, ForwardArrays *taken)
{
    Matrix states = problem->states;
    *taken = (ForwardArrays){0};
    const Py_buffer *weights = take(arrays, objects.weights, "weights", FLOAT32, READ);
    if (!weights) return 0;
    if (weights->len && weights->len / FLOAT32.itemsize != problem->table.n) {
        PyErr_SetString(PyExc_ValueError, "weights need one number for each candidate, or none.");
        return 0;
    }
    if (weights->len) taken->weights = weights->buf;
    taken->target_scores =
        take_some(arrays, objects.target_scores, "target scores", FLOAT32, READ, states.n);
    if (!taken->target_scores) return 0;
    taken->exponentials = take_exponentials(arrays, problem, objects.exponentials, WRITE);
    if (!taken->exponentials) return 0;
    taken->sums = take_some(arrays, objects.sums, "sums", FLOAT32, WRITE, states.n);
    if (!taken->sums) return 0;
    Py_ssize_t size = states.n * states.dim;
    taken->products = take_some(arrays, objects.products, "products", FLOAT32, WRITE, size);
    return taken->products != NULL;
}

static PyObject *py_softmax_forward(PyObject *self, PyObject *args)
{
    PyObject *states, *table, *targets;
    ForwardObjects objects;
    Py_ssize_t first, last;
    if (!PyArg_ParseTuple(
            args, "OOOnnOOOOO", &states, &table, &targets, &first, &last, &objects.weights,
            &objects.target_scores, &objects.exponentials, &objects.sums, &objects.products))
        return NULL;
    Problem problem;
    ForwardArrays taken;
    Arrays arrays = {.held = 0};
    int failed = 0;
    if (take_problem(&arrays, &problem, states, table, READ) &&
        take_targets(&arrays, &problem, targets, 0) && narrow(&problem, first, last) &&
        take_forward(&arrays, &problem, objects, &taken)) {
        Py_BEGIN_ALLOW_THREADS
        failed = softmax_forward(
            &problem, taken.weights, taken.target_scores, taken.exponentials, taken.sums,
            taken.products);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

static PyObject *py_softmax_backward(PyObject *self, PyObject *args)
{
    PyObject *states, *exponentials, *result;
    Py_ssize_t first, last;
    int add;
    if (!PyArg_ParseTuple(args, "OOnnpO", &states, &exponentials, &first, &last, &add, &result))
        return NULL;
    Problem problem;
    Arrays arrays = {.held = 0};
    Pair *pairs = NULL;
    int failed = 0;
    if (take_problem(&arrays, &problem, states, result, WRITE) && narrow(&problem, first, last))
        pairs = take_exponentials(&arrays, &problem, exponentials, READ);
    if (pairs) {
        Py_BEGIN_ALLOW_THREADS
        failed = softmax_backward(&problem, pairs, add, (float *)problem.table.values);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

static PyObject *py_count_greater(PyObject *self, PyObject *args)
{
    PyObject *states, *table, *targets, *thresholds, *greater, *equal;
    if (!PyArg_ParseTuple(
            args, "OOOOOO", &states, &table, &targets, &thresholds, &greater, &equal))
        return NULL;
    Problem problem;
    Arrays arrays = {.held = 0};
    int failed = 0;
    int given = thresholds != Py_None;
    const float *bounds = NULL;
    int64_t *counts[2] = {NULL, NULL};
    if (!take_problem(&arrays, &problem, states, table, READ) ||
        !take_targets(&arrays, &problem, targets, given ? -1 : 0))
        return finish(&arrays, 0);
    Py_ssize_t n = problem.states.n;
    if (given) bounds = take_some(&arrays, thresholds, "thresholds", FLOAT32, READ, n);
    if (!given || bounds) counts[0] = take_some(&arrays, greater, "counts", INT64, WRITE, n);
    if (counts[0]) counts[1] = take_some(&arrays, equal, "counts", INT64, WRITE, n);
    if (counts[1]) {
        Py_BEGIN_ALLOW_THREADS
        failed = count_greater(&problem, bounds, counts[0], counts[1]);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

static PyObject *py_topk(PyObject *self, PyObject *args)
{
    PyObject *states, *table, *codes, *values;
    Py_ssize_t k, size;
    if (!PyArg_ParseTuple(args, "OOnOO", &states, &table, &k, &codes, &values)) return NULL;
    Problem problem;
    Arrays arrays = {.held = 0};
    int64_t *found = NULL;
    float *scores = NULL;
    int failed = 0;
    if (!take_problem(&arrays, &problem, states, table, READ)) return finish(&arrays, 0);
    if (k < 1 || k > problem.table.n || __builtin_mul_overflow(problem.states.n, k, &size)) {
        PyErr_Format(
            PyExc_ValueError, "k=%zd must be between 1 and the rows of the table, %zd.", k,
            problem.table.n);
        return finish(&arrays, 0);
    }
    found = take_some(&arrays, codes, "codes", INT64, WRITE, size);
    if (found) scores = take_some(&arrays, values, "values", FLOAT32, WRITE, size);
    if (scores) {
        Py_BEGIN_ALLOW_THREADS
        failed = topk(&problem, k, found, scores);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

/* Whether the system keeps all of the registers `mask` when it switches between threads (XCR0). */
static int keeps(unsigned mask)
{
    unsigned low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & mask) == mask;
}

enum { OSXSAVE = 1 << 27, VECTORS = 0xE6, TILES = 0x60000 };                    /* of 1, of XCR0 */
enum { FOUNDATION = 1 << 16, DQ = 1 << 17, BW = 1 << 30, VL = (int)(1u << 31) }; /* EBX of 7.0 */
enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 };                                /* EDX of 7.0 */
enum { AVX512_BF16 = 1 << 5 };                                                  /* EAX of 7.1 */

/* Instructions for products of bfloat16 that this processor and its system offer, by torch's names.
 * The registers of cpuid are read here because torch says it from 2.11 on only. */
static PyObject *py_abilities(PyObject *self, PyObject *none)
{
    const unsigned avx512 = (unsigned)FOUNDATION | DQ | BW | (unsigned)VL;
    const unsigned amx = AMX_BF16 | AMX_TILE;
    unsigned a, b, c, d, a1 = 0, b1, c1, d1;
    int vectors = 0, tiles = 0;
    if (__get_cpuid(1, &a, &b, &c, &d) && (c & OSXSAVE) &&
        __get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        if (a >= 1) __get_cpuid_count(7, 1, &a1, &b1, &c1, &d1);
        vectors = (b & avx512) == avx512 && (a1 & AVX512_BF16) && keeps(VECTORS);
        tiles = (d & amx) == amx && keeps(TILES);
    }
    if (vectors && tiles) return Py_BuildValue("(ss)", "avx512_bf16", "amx_bf16");
    if (vectors) return Py_BuildValue("(s)", "avx512_bf16");
    if (tiles) return Py_BuildValue("(s)", "amx_bf16");
    return PyTuple_New(0);
}

static PyMethodDef methods[] = {
    {"abilities", py_abilities, METH_NOARGS, NULL},
    {"buffer_size", py_buffer_size, METH_VARARGS, NULL},
    {"logsumexp", py_logsumexp, METH_VARARGS, NULL},
    {"softmax_forward", py_softmax_forward, METH_VARARGS, NULL},
    {"softmax_backward", py_softmax_backward, METH_VARARGS, NULL},
    {"count_greater", py_count_greater, METH_VARARGS, NULL},
    {"topk", py_topk, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_bfloat16",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__bfloat16(void) { return PyModule_Create(&module); }
