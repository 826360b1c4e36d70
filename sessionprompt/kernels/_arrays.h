/* Arrays that Python passes to a kernel, as buffers.
 *
 * The limited API has buffers since Python 3.11; one build serves all Pythons from there on.
 */
#ifndef SESSIONPROMPT_ARRAYS_H
#define SESSIONPROMPT_ARRAYS_H

#include <string.h>

/* Arrays of a call, which hold their memory until they are released. */
enum { MOST_ARRAYS = 16 };
typedef struct {
    Py_buffer views[MOST_ARRAYS];
    int held;
} Arrays;

typedef struct {
    const char *name, *formats; /* formats of the buffer protocol, one letter each */
    Py_ssize_t itemsize;
} Kind;

static const Kind FLOAT32 = {"float32", "f", 4};
static const Kind INT64 = {"int64", "lq", 8};

enum { READ, WRITE };

static void release(Arrays *arrays)
{
    while (arrays->held) PyBuffer_Release(&arrays->views[--arrays->held]);
}

/* Result of a call that let go of its arrays. */
static PyObject *finish(Arrays *arrays, int failed)
{
    release(arrays);
    if (PyErr_Occurred()) return NULL;
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* Contiguous numbers of one kind; NULL with an error set if the object has others. */
static const Py_buffer *take(
    Arrays *arrays, PyObject *object, const char *name, Kind kind, int access)
{
    Py_buffer *view = &arrays->views[arrays->held];
    int flags = PyBUF_FORMAT | PyBUF_C_CONTIGUOUS;
    if (access == WRITE) flags |= PyBUF_WRITABLE;
    if (PyObject_GetBuffer(object, view, flags)) return NULL;
    arrays->held++;
    const char *format = view->format ? view->format : "B";
    if (strlen(format) == 1 && strchr(kind.formats, *format) && view->itemsize == kind.itemsize)
        return view;
    PyErr_Format(
        PyExc_ValueError, "%s need numbers of %s, not of format '%s'; convert them.", name,
        kind.name, format);
    return NULL;
}

/* Numbers of one kind, as many as there must be. */
static void *take_some(
    Arrays *arrays, PyObject *object, const char *name, Kind kind, int access, Py_ssize_t number)
{
    const Py_buffer *view = take(arrays, object, name, kind, access);
    if (!view) return NULL;
    if (view->len / kind.itemsize == number) return view->buf;
    PyErr_Format(
        PyExc_ValueError, "%s need %zd numbers, not %zd.", name, number,
        view->len / kind.itemsize);
    return NULL;
}
#endif
