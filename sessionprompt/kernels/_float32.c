/* Python's side of the float32 kernels: what a step of training works on, as buffers.
 *
 * They serve all processors, by vectors of the compiler: `_float32_16.c` for registers of 512 bits,
 * `_float32_8.c` for those of 256, or less.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#ifndef __GNUC__
#error "the kernels are for GCC or Clang"
#endif

#include "_arrays.h"
#include "_float32.h"

/* What suits the processor; NULL where nothing does. */
static const Kernels *kernels;

static const Kernels *suitable(void)
{
#ifdef __x86_64__
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return &kernels_of_16;
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return NULL;
#endif
    return &kernels_of_8;
}

/* An array of a call: of what kind, how many numbers, and where its address goes. */
typedef struct {
    const char *name;
    Kind kind;
    int access;
    Py_ssize_t n;
    void *to;
} Wanted;

/* 1, or 0 with an error set. */
static int take_all(Arrays *arrays, PyObject *const *objects, const Wanted *wanted, int n)
{
    for (int a = 0; a < n; a++) {
        const Wanted *one = &wanted[a];
        void *values = take_some(arrays, objects[a], one->name, one->kind, one->access, one->n);
        if (!values) return 0;
        *(void **)one->to = values;
    }
    return 1;
}

/* 1 for a matrix of float32, whose rows and columns are told; else 0 with an error set. */
static int take_rows(
    Arrays *arrays, PyObject *object, const char *name, Py_ssize_t *rows, Py_ssize_t *columns)
{
    if (PyErr_Occurred()) return 0;
    const Py_buffer *view = take(arrays, object, name, FLOAT32, READ);
    if (!view) return 0;
    if (view->ndim != 2) {
        PyErr_Format(PyExc_ValueError, "%s need rows of d float32.", name);
        return 0;
    }
    *rows = view->shape[0];
    *columns = view->shape[1];
    return 1;
}

static int outside(const char *name, Py_ssize_t value, Py_ssize_t least, Py_ssize_t bound)
{
    if (least <= value && value < bound) return 0;
    PyErr_Format(
        PyExc_ValueError, "%s must lie from %zd to %zd, not at %zd.", name, least, bound - 1,
        value);
    return 1;
}

/* 1 if n numbers are none below 0 and add up to a total; else 0 with an error set. */
static int add_up(const char *name, const int64_t *numbers, Py_ssize_t n, Py_ssize_t total)
{
    Py_ssize_t left = total;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (outside(name, numbers[i], 0, left + 1)) return 0;
        left -= numbers[i];
    }
    if (!left) return 1;
    PyErr_Format(PyExc_ValueError, "%s must add up to %zd, not to %zd.", name, total, total - left);
    return 0;
}

/* 1 if rows, blocks and targets lie within what there is; else 0 with an error set. */
static int fit_together(const CandidateLoss *loss, Py_ssize_t n_own)
{
    if (!add_up("rows", loss->rows, loss->n_blocks + 1, loss->n)) return 0;
    if (!add_up("sizes", loss->sizes, loss->n_blocks, n_own)) return 0;
    if (!add_up("drawn_sizes", loss->drawn_sizes, loss->n_blocks + 1, loss->n_drawn)) return 0;
    Py_ssize_t row = 0;
    for (Py_ssize_t b = 0; b <= loss->n_blocks; b++)
        for (Py_ssize_t last = row + loss->rows[b]; row < last; row++) {
            Py_ssize_t size = b ? loss->sizes[b - 1] : 0;
            if (outside("own_target", loss->own_target[row], -1, size)) return 0;
            if (outside("drawn_target", loss->drawn_target[row], -1, loss->n_drawn)) return 0;
        }
    return 1;
}

/* Whether a call brings n arguments, of which the last `indices` are whole numbers. */
static int counted(
    Py_ssize_t n_args, PyObject *const *args, int n, int indices, Py_ssize_t *numbers)
{
    if (!kernels) {
        PyErr_SetString(PyExc_RuntimeError, "the kernels need a processor with AVX2 and FMA.");
        return 0;
    }
    if (n_args != n) {
        PyErr_Format(PyExc_TypeError, "%d arguments are needed, not %zd.", n, n_args);
        return 0;
    }
    for (int i = 0; i < indices; i++) {
        numbers[i] = PyLong_AsSsize_t(args[n - indices + i]);
        if (PyErr_Occurred()) return 0;
    }
    return 1;
}

static PyObject *py_candidate_loss(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    enum { ARRAYS = 15 };
    Py_ssize_t span[2];
    if (!counted(n_args, args, ARRAYS + 2, 2, span)) return NULL;
    Py_ssize_t n_own = PyObject_Length(args[1]), n_blocks = PyObject_Length(args[6]), n, dim;
    CandidateLoss loss = {.n_blocks = n_blocks, .n_drawn = PyObject_Length(args[2])};
    Py_ssize_t n_drawn = loss.n_drawn;
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[0], "states", &n, &dim)) return finish(&arrays, 0);
    loss.n = n;
    loss.dim = dim;
    const Wanted wanted[ARRAYS] = {
        {"states", FLOAT32, READ, n * dim, &loss.states},
        {"own", FLOAT32, READ, n_own * dim, &loss.own},
        {"drawn", FLOAT32, READ, n_drawn * dim, &loss.drawn},
        {"right", FLOAT32, READ, n * dim, &loss.right},
        {"log_weights", FLOAT32, READ, n_drawn, &loss.log_weights},
        {"rows", INT64, READ, n_blocks + 1, &loss.rows},
        {"sizes", INT64, READ, n_blocks, &loss.sizes},
        {"drawn_sizes", INT64, READ, n_blocks + 1, &loss.drawn_sizes},
        {"own_target", INT64, READ, n, &loss.own_target},
        {"drawn_target", INT64, READ, n, &loss.drawn_target},
        {"losses", FLOAT32, WRITE, n, &loss.losses},
        {"states_grad", FLOAT32, WRITE, n * dim, &loss.states_grad},
        {"right_grad", FLOAT32, WRITE, n * dim, &loss.right_grad},
        {"own_grad", FLOAT32, WRITE, n_own * dim, &loss.own_grad},
        {"drawn_grad", FLOAT32, WRITE, n_drawn * dim, &loss.drawn_grad},
    };
    int failed = 0;
    if (take_all(&arrays, args, wanted, ARRAYS) && fit_together(&loss, n_own) &&
        !outside("first", span[0], 0, n_blocks + 2) &&
        !outside("last", span[1], span[0], n_blocks + 2)) {
        Py_BEGIN_ALLOW_THREADS
        failed = kernels->candidate_loss(&loss, span[0], span[1]);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

static PyObject *py_step_rows(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    enum { ARRAYS = 5, FACTORS = 6 };
    if (!counted(n_args, args, ARRAYS + FACTORS, 0, NULL)) return NULL;
    Py_ssize_t n_gradients = PyObject_Length(args[3]);
    RowStep step = {.n_gradients = n_gradients};
    double *factors[FACTORS] = {&step.beta1, &step.beta2, &step.rate, &step.correction,
                                &step.epsilon, &step.decay};
    for (int f = 0; f < FACTORS; f++) *factors[f] = PyFloat_AsDouble(args[ARRAYS + f]);
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[0], "table", &step.n, &step.dim)) return finish(&arrays, 0);
    const Wanted wanted[ARRAYS] = {
        {"table", FLOAT32, WRITE, step.n * step.dim, &step.table},
        {"mean", FLOAT32, WRITE, step.n * step.dim, &step.mean},
        {"square", FLOAT32, WRITE, step.n * step.dim, &step.square},
        {"rows", INT64, READ, n_gradients, &step.rows},
        {"values", FLOAT32, READ, n_gradients * step.dim, &step.values},
    };
    int failed = 0, fits = take_all(&arrays, args, wanted, ARRAYS);
    if (fits) fits = !outside("number of rows", n_gradients, 0, INT32_MAX);
    for (Py_ssize_t i = 0; fits && i < n_gradients; i++)
        fits = !outside("rows", step.rows[i], 0, step.n);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        failed = kernels->step_rows(&step);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, failed);
}

static PyObject *py_scale_rows(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    enum { ARRAYS = 3 };
    if (!counted(n_args, args, ARRAYS + 1, 0, NULL)) return NULL;
    Scaling scaling = {.least = (float)PyFloat_AsDouble(args[ARRAYS])};
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[0], "rows", &scaling.n, &scaling.dim)) return finish(&arrays, 0);
    Py_ssize_t size = scaling.n * scaling.dim;
    const Wanted wanted[ARRAYS] = {
        {"rows", FLOAT32, READ, size, &scaling.from},
        {"scaled", FLOAT32, WRITE, size, &scaling.to},
        {"lengths", FLOAT32, WRITE, scaling.n, &scaling.lengths},
    };
    if (take_all(&arrays, args, wanted, ARRAYS)) {
        Py_BEGIN_ALLOW_THREADS
        kernels->scale_rows(&scaling);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, 0);
}

static PyObject *py_scale_back(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    enum { ARRAYS = 4 };
    if (!counted(n_args, args, ARRAYS + 1, 0, NULL)) return NULL;
    Scaling scaling = {.least = (float)PyFloat_AsDouble(args[ARRAYS])};
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[0], "gradient", &scaling.n, &scaling.dim))
        return finish(&arrays, 0);
    Py_ssize_t size = scaling.n * scaling.dim;
    const Wanted wanted[ARRAYS] = {
        {"gradient", FLOAT32, READ, size, &scaling.from},
        {"scaled", FLOAT32, READ, size, &scaling.scaled},
        {"lengths", FLOAT32, READ, scaling.n, &scaling.lengths},
        {"result", FLOAT32, WRITE, size, &scaling.to},
    };
    if (take_all(&arrays, args, wanted, ARRAYS)) {
        Py_BEGIN_ALLOW_THREADS
        kernels->scale_back(&scaling);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, 0);
}

static PyObject *py_unit_sums(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    enum { ARRAYS = 5 };
    if (!counted(n_args, args, ARRAYS + 1, 0, NULL)) return NULL;
    UnitSums sums = {.least = (float)PyFloat_AsDouble(args[ARRAYS])};
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[0], "x", &sums.n, &sums.dim)) return finish(&arrays, 0);
    Py_ssize_t size = sums.n * sums.dim;
    const Wanted wanted[ARRAYS] = {
        {"x", FLOAT32, READ, size, &sums.x},
        {"added", FLOAT32, READ, size, &sums.added},
        {"result", FLOAT32, WRITE, size, &sums.to},
        {"x_lengths", FLOAT32, WRITE, sums.n, &sums.x_lengths},
        {"lengths", FLOAT32, WRITE, sums.n, &sums.lengths},
    };
    if (take_all(&arrays, args, wanted, ARRAYS)) {
        Py_BEGIN_ALLOW_THREADS
        kernels->unit_sums(&sums);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, 0);
}

static PyObject *py_unit_sums_back(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    enum { ARRAYS = 7 };
    if (!counted(n_args, args, ARRAYS, 0, NULL)) return NULL;
    UnitSums sums = {.least = 0};
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[0], "gradient", &sums.n, &sums.dim)) return finish(&arrays, 0);
    Py_ssize_t size = sums.n * sums.dim;
    const Wanted wanted[ARRAYS] = {
        {"gradient", FLOAT32, READ, size, &sums.added},
        {"x", FLOAT32, READ, size, &sums.x},
        {"result", FLOAT32, READ, size, &sums.scaled},
        {"x_lengths", FLOAT32, READ, sums.n, &sums.x_lengths},
        {"lengths", FLOAT32, READ, sums.n, &sums.lengths},
        {"to_x", FLOAT32, WRITE, size, &sums.to},
        {"to_added", FLOAT32, WRITE, size, &sums.to_added},
    };
    if (take_all(&arrays, args, wanted, ARRAYS)) {
        Py_BEGIN_ALLOW_THREADS
        kernels->unit_sums_back(&sums);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, 0);
}

/* Sums of rows, or the way back: there the gradient stands first and the table's last. */
static PyObject *bag(PyObject *const *args, Py_ssize_t n_args, int back)
{
    enum { ARRAYS = 3 };
    Py_ssize_t columns;
    if (!counted(n_args, args, ARRAYS + 1, 1, &columns)) return NULL;
    int of_sums = back ? 0 : 2, of_table = back ? 2 : 0;
    Arrays arrays = {.held = 0};
    Bags bags = {.columns = columns, .n_rows = PyObject_Length(args[of_table])};
    if (!take_rows(&arrays, args[of_sums], "sums", &bags.n, &bags.dim)) return finish(&arrays, 0);
    Wanted wanted[ARRAYS] = {
        {"table", FLOAT32, READ, bags.n_rows * bags.dim, &bags.from},
        {"codes", INT64, READ, bags.n * columns, &bags.codes},
        {"sums", FLOAT32, WRITE, bags.n * bags.dim, &bags.to},
    };
    if (back) {
        wanted[0] = (Wanted){"sums", FLOAT32, READ, bags.n * bags.dim, &bags.from};
        wanted[2] = (Wanted){"table", FLOAT32, WRITE, bags.n_rows * bags.dim, &bags.to};
    }
    int fits = take_all(&arrays, args, wanted, ARRAYS);
    for (Py_ssize_t i = 0; fits && i < bags.n * columns; i++)
        fits = bags.codes[i] < 0 || !outside("codes", bags.codes[i], -1, bags.n_rows);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        if (back) kernels->sum_bags_back(&bags);
        else kernels->sum_bags(&bags);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, 0);
}

static PyObject *py_sum_bags(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    return bag(args, n_args, 0);
}

static PyObject *py_sum_bags_back(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    return bag(args, n_args, 1);
}

/* A GRU forward, or back. */
static PyObject *recur(PyObject *const *args, Py_ssize_t n_args, int back)
{
    enum { ARRAYS = 7 };
    if (!counted(n_args, args, ARRAYS, 0, NULL)) return NULL;
    Py_ssize_t n_steps = PyObject_Length(args[0]), n, h;
    Arrays arrays = {.held = 0};
    if (!take_rows(&arrays, args[5], "before", &n, &h)) return finish(&arrays, 0);
    Recurrence gru = {.n_rows = n, .n_steps = n_steps, .hidden = h};
    const Wanted forward[ARRAYS] = {
        {"alive", INT64, READ, n_steps, &gru.alive},
        {"from_h", FLOAT32, READ, 3 * h * h, &gru.turned},
        {"bias", FLOAT32, READ, 3 * h, &gru.bias},
        {"gates", FLOAT32, WRITE, 3 * h * n, &gru.gates},
        {"recurrent", FLOAT32, WRITE, 3 * h * n, &gru.recurrent},
        {"before", FLOAT32, WRITE, h * n, &gru.before},
        {"states", FLOAT32, WRITE, h * n, &gru.states},
    };
    const Wanted backward[ARRAYS] = {
        {"alive", INT64, READ, n_steps, &gru.alive},
        {"from_h", FLOAT32, READ, 3 * h * h, &gru.from_h},
        {"to_gates", FLOAT32, WRITE, 3 * h * n, &gru.to_gates},
        {"gates", FLOAT32, READ, 3 * h * n, &gru.gates},
        {"recurrent", FLOAT32, WRITE, 3 * h * n, &gru.recurrent},
        {"before", FLOAT32, READ, h * n, &gru.before},
        {"grad", FLOAT32, WRITE, h * n, &gru.grad},
    };
    int fits = take_all(&arrays, args, back ? backward : forward, ARRAYS) &&
               add_up("alive", gru.alive, n_steps, n);
    for (Py_ssize_t t = 1; fits && t < n_steps; t++)
        fits = !outside("alive", gru.alive[t], 0, gru.alive[t - 1] + 1);
    if (fits) {
        Py_BEGIN_ALLOW_THREADS
        if (back) kernels->run_back(&gru);
        else kernels->run(&gru);
        Py_END_ALLOW_THREADS
    }
    return finish(&arrays, 0);
}

static PyObject *py_run(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    return recur(args, n_args, 0);
}

static PyObject *py_run_back(PyObject *self, PyObject *const *args, Py_ssize_t n_args)
{
    return recur(args, n_args, 1);
}

/* How many float32 the registers hold that the kernels use; 0 where none suit the processor. */
static PyObject *py_lanes(PyObject *self, PyObject *none)
{
    long lanes = 0;
    if (kernels) lanes = kernels->lanes;
    return PyLong_FromLong(lanes);
}

#define FAST(function) ((PyCFunction)(void (*)(void))(function))
static PyMethodDef methods[] = {
    {"lanes", py_lanes, METH_NOARGS, NULL},
    {"candidate_loss", FAST(py_candidate_loss), METH_FASTCALL, NULL},
    {"step_rows", FAST(py_step_rows), METH_FASTCALL, NULL},
    {"scale_rows", FAST(py_scale_rows), METH_FASTCALL, NULL},
    {"sum_bags", FAST(py_sum_bags), METH_FASTCALL, NULL},
    {"sum_bags_back", FAST(py_sum_bags_back), METH_FASTCALL, NULL},
    {"unit_sums", FAST(py_unit_sums), METH_FASTCALL, NULL},
    {"unit_sums_back", FAST(py_unit_sums_back), METH_FASTCALL, NULL},
    {"gru", FAST(py_run), METH_FASTCALL, NULL},
    {"gru_back", FAST(py_run_back), METH_FASTCALL, NULL},
    {"scale_back", FAST(py_scale_back), METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_float32",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__float32(void)
{
    kernels = suitable();
    return PyModule_Create(&module);
}
