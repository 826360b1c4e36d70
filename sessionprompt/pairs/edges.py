"""Graphs that come from outside: tables of counted pairs, matrices."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..vocabulary import Vocabulary
from .counting import COLUMNS

__all__ = ["checked_graph", "pair_graph"]


def pair_graph(
    pairs: Any, vocabulary: Vocabulary | None = None
) -> tuple[sparse.csr_array, Vocabulary]:
    """Symmetric graph of a table of counted pairs.

    Parameters
    ----------
    pairs : table or sequence of tables
        With the columns ``item``, ``other`` and ``count``, as of :func:`count_pairs`; a lazy one is
        computed. Each pair stands in it once, in whichever order; counts of a pair that occurs
        several times, as in tables of parts of the events, add up.
    vocabulary : Vocabulary, optional
        The items, of which some may have no pair; None: those of the table.

    Returns
    -------
    graph : csr_array of shape (n_items, n_items), int64
    vocabulary : Vocabulary

    Raises
    ------
    TypeError
        If `pairs` is no table.
    ValueError
        If a column or an id is missing, an item is not in the vocabulary, or a count is no whole
        number of at least 0.

    Examples
    --------
    >>> import polars as pl
    >>> pairs = pl.DataFrame({"item": ["a", "b"], "other": ["b", "c"], "count": [3, 1]})
    >>> pair_graph([pairs, pairs])[0].toarray()
    array([[0, 6, 0],
           [6, 0, 2],
           [0, 2, 0]])
    """
    tables = [pairs]
    if isinstance(pairs, list | tuple):
        tables = list(pairs)
    columns = [_columns(table) for table in tables]
    items, others, counts = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    ids = np.concatenate([items, others])
    if vocabulary is None:
        vocabulary, codes = Vocabulary.from_values(ids)
    else:
        codes = vocabulary.encode(ids)
        _check_known(codes, ids)
    rows, places = np.split(codes, 2)  # both (n_pairs,)
    shape = (len(vocabulary), len(vocabulary))
    one_way = sparse.coo_array((_whole_counts(counts), (rows, places)), shape=shape).tocsr()
    loops = sparse.diags_array(one_way.diagonal(), format="csr", dtype=np.int64)
    graph = one_way + one_way.T.tocsr() - loops  # the sum has counted them twice
    graph.eliminate_zeros()
    return graph, vocabulary


def _columns(table: Any) -> list[NDArray[Any]]:
    """Columns ``item``, ``other`` and ``count`` of a table, each (n_pairs,)."""
    try:
        frame: Any = nw.from_native(table)
    except TypeError as error:
        raise TypeError(
            f"a graph must be a sparse matrix or a table with the columns {', '.join(COLUMNS)}; "
            f"got {type(table).__name__}."
        ) from error
    names = frame.collect_schema().names()
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(
            f"a table of pairs needs the columns {', '.join(COLUMNS)}; {missing[0]!r} is not among "
            f"its columns {names}."
        )
    frame = frame.select(*COLUMNS)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    return [frame[name].to_numpy() for name in COLUMNS]


def _check_known(codes: NDArray[np.int32], ids: NDArray[Any]) -> None:
    """Raise a ValueError if pairs name items without a code."""
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        [first] = ids[unknown[:1]].tolist()
        raise ValueError(
            f"the pairs name items that the vocabulary does not hold, such as {first!r}; add them "
            "to it, or leave the vocabulary out."
        )


def checked_graph(graph: Any, n_items: int) -> sparse.csr_array:
    """Count graph as the library keeps it, of a matrix from outside.

    Parameters
    ----------
    graph : sparse array or matrix of shape (n_items, n_items)
        Symmetric, of whole numbers; on the diagonal, pairs of an item and itself.
    n_items : int

    Returns
    -------
    csr_array of shape (n_items, n_items), int64
        A copy with sorted indices and without stored zeros.

    Raises
    ------
    ValueError
        If it has another shape, is not symmetric, or holds what is no count.
    """
    if graph.shape != (n_items, n_items):
        raise ValueError(
            f"graph has the shape {graph.shape}, but there are {n_items} items in the vocabulary; "
            "give one row and one column for each of them."
        )
    csr = sparse.csr_array(graph, copy=True)
    counts = sparse.csr_array((_whole_counts(csr.data), csr.indices, csr.indptr), shape=csr.shape)
    counts.sum_duplicates()
    counts.eliminate_zeros()
    if abs(counts - counts.T.tocsr()).sum():
        raise ValueError(
            "graph must be symmetric: count each pair in both directions, such as by graph + "
            "graph.T with the diagonal counted once."
        )
    return counts


def _whole_counts(counts: NDArray[Any]) -> NDArray[np.int64]:
    """Counts as integers; a ValueError if one is none."""
    if counts.dtype.kind not in "iufb":
        raise ValueError(f"counts of pairs must be numbers, got {counts.dtype}.")
    wrong = np.flatnonzero((counts < 0) | (counts != np.floor(counts)) | ~np.isfinite(counts))
    if len(wrong):
        raise ValueError(
            f"counts of pairs must be whole numbers of at least 0, got {counts[wrong[0]]}; "
            "multiply weights by a constant and round them."
        )
    return counts.astype(np.int64)
