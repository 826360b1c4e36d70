"""Graphs over item vectors (HNSW, by faiss): built, searched, written to folders and mapped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from joblib import effective_n_jobs  # which scikit-learn brings

from ..storage import Head, file_digest, write_folder, write_hashed

__all__ = [
    "built_graph",
    "faiss_module",
    "opened_graph",
    "read_head",
    "save_graph",
    "vectors_of",
]

HEAD = Head("index.json", "sessionprompt item index", "index files")
GRAPH = "graph.faiss"
FILES = (HEAD.file, GRAPH)


def faiss_module() -> Any:
    """The module faiss, or an ImportError that says how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            "an approximate index needs faiss; install it with pip install 'sessionprompt[ann]'."
        ) from error
    return faiss


def built_graph(vectors: np.ndarray, *, n_links: int, build_effort: int, n_jobs: int | None) -> Any:
    """Graph over a copy of some vectors (n_items, d), made by so many threads."""
    faiss = faiss_module()
    graph = faiss.IndexHNSWFlat(vectors.shape[1], n_links, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = build_effort
    with _threads(faiss, effective_n_jobs(n_jobs)):
        graph.add(vectors)
    return graph


@contextmanager
def _threads(faiss: Any, n: int) -> Iterator[None]:
    """So many threads of faiss, and as many as before in the end."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(n)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def vectors_of(graph: Any) -> np.ndarray:
    """Vectors (n_items, d) that a graph holds, where they are; they end with it."""
    faiss = faiss_module()
    flat = faiss.downcast_index(graph.storage)
    vectors = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d)
    vectors.flags.writeable = False  # they may be mapped from a file
    return vectors.reshape(flat.ntotal, flat.d)


def save_graph(path: str | os.PathLike[str], graph: Any, entries: dict[str, Any]) -> None:
    """Write a graph to a folder, and entries of its head; nothing is there until all is."""
    faiss = faiss_module()

    def write(folder: Path) -> None:
        digest = write_hashed(
            folder / GRAPH,
            lambda file: faiss.write_index(graph, faiss.PyCallbackIOWriter(file.write)),
        )
        HEAD.write(folder, {**entries, "sha256": {GRAPH: digest}})

    write_folder(path, write, FILES)


def read_head(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Entries of the head in a folder that :func:`save_graph` has written."""
    return HEAD.read(path)


def opened_graph(path: str | os.PathLike[str], head: dict[str, Any]) -> Any:
    """Graph of a folder, mapped into memory where faiss can.

    Parameters
    ----------
    path : path
    head : dict
        From :func:`read_head`.

    Raises
    ------
    ValueError
        If its file is missing or damaged, or this version of faiss cannot read it.
    """
    faiss = faiss_module()
    file = Path(path) / GRAPH
    if not file.is_file():
        raise ValueError(f"{file} is missing; build the index and save it again.")
    # what reads the file believes it, so nothing is read that was not written
    if file_digest(file) != head["sha256"][GRAPH]:
        raise ValueError(
            f"{file} is damaged, or was replaced while it was read: it is not as {HEAD.file} has "
            "recorded it; open it again, or build the index anew."
        )
    mapped = getattr(faiss, "IO_FLAG_MMAP_IFC", 0)  # faiss 1.11
    try:
        return faiss.read_index(str(file), mapped)
    except RuntimeError as error:
        raise ValueError(
            f"{file} cannot be read by faiss {faiss.__version__} ({error}); install the version "
            "that wrote it, or build the index anew."
        ) from error
