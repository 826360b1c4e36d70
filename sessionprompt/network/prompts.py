"""Prompts as vectors: tables of learned vectors, and their blend with item embeddings."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor, nn

from ..backbones import row_sums, unit, unit_sum
from ..encoding import PROMPT_KINDS

__all__ = ["GATES", "DenseRows", "FixedCodes", "PromptBlend", "scaled_table", "table_name"]

TRUSTED_FROM = 2  # events of an item; 5 lost two points of recall@20 on a log of two an item
RIDGE = 0.1  # of the mean of the squares, in the map from which prompts of vectors start


def scaled_table(n_rows: int, dim: int) -> nn.Parameter:
    """Table of rows drawn from N(0, 1/dim).

    Rows have a length of about one, at which learning starts at once.
    """
    return nn.Parameter(torch.randn(n_rows, dim) / dim**0.5)


class _Elementwise(nn.Module):
    """x^ * sigmoid(W_x x^ + b_x) + sum over kinds v of v^ * sigmoid(W_v v^ + b_v)."""

    def __init__(self, dim: int, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.gates = nn.ModuleDict({kind: nn.Linear(dim, dim) for kind in ("item", *kinds)})

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        """Blend (..., d) of parts (..., d), each times its own gate."""
        return sum(part * self.gates[kind](part).sigmoid() for kind, part in parts.items())


class _Scalar(nn.Module):
    """Shares of the parts that sum to one: for a single kind g x^ + (1 - g) v^.

    They are a softmax whose last logit is 0.
    """

    def __init__(self, dim: int, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.kinds = kinds
        self.gate = nn.Linear(dim * (1 + len(kinds)), len(kinds))

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        """Blend (..., d) of parts (..., d); a kind without a part is a zero vector."""
        absent = torch.zeros_like(parts["item"])  # (..., d)
        vectors = [parts.get(kind, absent) for kind in ("item", *self.kinds)]
        stack = torch.stack(vectors, dim=-2)  # (..., K + 1, d), with K kinds
        logits = F.pad(self.gate(stack.flatten(-2)), (0, 1))  # (..., K + 1)
        shares = logits.softmax(dim=-1)  # (..., K + 1)
        return (shares.unsqueeze(-1) * stack).sum(dim=-2)  # (..., d)


class _Add(nn.Module):
    """x^ + sum over kinds v of v^."""

    def __init__(self, dim: int, kinds: tuple[str, ...]) -> None:
        super().__init__()

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        """Sum (..., d) of parts (..., d)."""
        return sum(parts.values())  # type: ignore[return-value]


class _Frequency(nn.Module):
    """g x^ + (1 - g) times the sum over kinds v of v^; g = n / (n + k) for an item of n events.

    An item of few events rests on its prompts, one of many on itself. k is learned, from
    `TRUSTED_FROM`. Items of fewer events than that send no gradient into the prompts.
    """

    def __init__(self, dim: int, kinds: tuple[str, ...]) -> None:
        super().__init__()
        self.log_k = nn.Parameter(torch.tensor(math.log(TRUSTED_FROM)))

    def forward(self, item: Tensor, added: Tensor, counts: Tensor) -> Tensor:
        """Blend (n, d) of the parts of items and of all prompts, (n, d), by events (n,)."""
        own = (counts / (counts + self.log_k.exp())).unsqueeze(1)  # (n, 1)
        is_rare = (counts > 0) & (counts < TRUSTED_FROM)  # (n,)
        added = torch.where(is_rare.unsqueeze(1), added.detach(), added)  # (n, d)
        return own * item + (1 - own) * added


class _ItemOnly(nn.Module):
    """x^ alone: the control that tells what normalising does without any prompt."""

    def __init__(self, dim: int, kinds: tuple[str, ...]) -> None:
        super().__init__()

    def forward(self, parts: dict[str, Tensor]) -> Tensor:
        """The item's part (..., d)."""
        return parts["item"]


GATES: dict[str, type[nn.Module]] = {
    "add": _Add,
    "elementwise": _Elementwise,
    "frequency": _Frequency,
    "scalar": _Scalar,
    "none": _ItemOnly,
}


class RowSums(Protocol):
    """Codes that add rows of a table up themselves."""

    def sum_rows(self, table: Tensor) -> Tensor:
        """Sum of the table rows of each row of codes, (n, d)."""


def table_name(kind: str) -> str:
    """Name of the table of a prompt kind; those of attributes keep clear of what modules reserve.

    Examples
    --------
    >>> table_name("cluster"), table_name("type"), table_name("price.net")
    ('cluster', 'attribute_type', 'attribute_price%2Enet')
    """
    if kind in PROMPT_KINDS:
        return kind
    return "attribute_" + kind.replace("%", "%25").replace(".", "%2E")


class PromptBlend(nn.Module):
    """Prompt tables and the gate that blends their rows with item embeddings.

    With x^ and v^ the item embedding and the prompt of kind v, scaled to unit length, a gate is one
    of ``"add"`` (x^ + sum of v^), ``"elementwise"`` (each part times the sigmoid of its own linear
    map: the form of the released code), ``"scalar"`` (shares that sum to one: the form of the
    paper's text), ``"frequency"`` (x^ by its events n, n / (n + k), and the sum of v^ by the rest;
    k is learned) and ``"none"`` (x^ alone, a control). The prompt of a kind with several columns,
    such as clusters at several resolutions, is the sum of their rows. A prompt that is absent (code
    -1) is a zero vector.

    Parameters
    ----------
    dim : int
        Size of the embeddings.
    sizes : mapping of str to int
        Rows of the table of each prompt kind.
    gate : {"add", "elementwise", "scalar", "frequency", "none"}

    References
    ----------
    Item Cluster-aware Prompt Learning for Session-based Recommendation, arXiv 2410.04756, section
    3.3.

    Examples
    --------
    >>> blend = PromptBlend(4, {"cluster": 3}, "add")
    >>> blend(torch.ones(2, 4), {"cluster": torch.tensor([[0], [-1]])})[1].tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    def __init__(self, dim: int, sizes: Mapping[str, int], gate: str = "add") -> None:
        super().__init__()
        self.kinds = tuple(sizes)
        self.tables = nn.ParameterDict(
            {table_name(kind): scaled_table(rows, dim) for kind, rows in sizes.items()}
        )
        self.gate = GATES[gate](dim, tuple(map(table_name, sizes)))

    def table_of(self, kind: str) -> Tensor:
        """Learned vectors (n_rows, d) of a kind."""
        return self.tables[table_name(kind)]

    @property
    def needs_counts(self) -> bool:
        """Whether the blend depends on how many events an item has."""
        return isinstance(self.gate, _Frequency)

    def forward(
        self, x: Tensor, codes: Mapping[str, Tensor | RowSums], counts: Tensor | None = None
    ) -> Tensor:
        """Item embeddings (n, d) blended with the prompts that `codes` (each (n, columns)) name.

        `counts` (n,) are the events of the items, where `needs_counts`.
        """
        parts = {"item": unit(x)}
        if self.needs_counts and codes:
            return self.gate(parts["item"], self._added(codes), counts)  # (n, d)
        if self.needs_counts:
            return parts["item"]
        for kind, rows in codes.items():
            parts[table_name(kind)] = self._lookup(kind, rows)
        return self.gate(parts)  # (n, d)

    def unit_vectors(
        self, x: Tensor, codes: Mapping[str, Tensor | RowSums], counts: Tensor | None = None
    ) -> Tensor:
        """The blend (n, d) scaled to unit length."""
        if not isinstance(self.gate, _Add) or not codes:
            return unit(self(x, codes, counts))
        return unit_sum(x, self._added(codes))

    def _added(self, codes: Mapping[str, Tensor | RowSums]) -> Tensor:
        """Sum (n, d) of the prompts of all kinds."""
        added, *others = self._sums(codes)  # (n, d) each
        for prompt in others:
            added = added + prompt  # (n, d)
        return added

    def _sums(self, codes: Mapping[str, Tensor | RowSums]) -> list[Tensor]:
        """Prompts (n, d), or sums of some: kinds of one row each share a product."""
        single = {kind: rows for kind, rows in codes.items() if _is_single(rows)}
        if len(single) < 2:
            return [self._lookup(kind, rows) for kind, rows in codes.items()]
        tables = torch.cat([unit(self.table_of(kind)) for kind in single])  # (all rows, d)
        first, *others = single.values()
        sums = [first.beside(tuple(others)).sum_rows(tables)]  # (n, d)
        rest = [self._lookup(kind, rows) for kind, rows in codes.items() if kind not in single]
        return sums + rest

    def _lookup(self, kind: str, codes: Tensor | RowSums) -> Tensor:
        """Prompt (n, d) of each row: the sum over its columns, scaled to unit length."""
        table = self.table_of(kind)  # (n_rows, d)
        if isinstance(codes, FixedCodes) and codes.n_columns == 1:
            return codes.sum_rows(unit(table))  # (n, d)
        if not isinstance(codes, Tensor):
            return unit(codes.sum_rows(table))  # (n, d)
        if codes.shape[1] == 1:
            return row_sums(unit(table), codes)  # (n, d)
        return unit(row_sums(table, codes))  # (n, d)


def _is_single(codes: Any) -> TypeGuard[FixedCodes]:
    """Whether codes are fixed and name at most one row each."""
    return isinstance(codes, FixedCodes) and codes.n_columns == 1


class FixedCodes:
    """Prompt codes that never change, such as the clusters of the candidates.

    They are kept as a sparse matrix of zeros and ones. Looking the prompts of the whole catalogue
    up is then one sparse product, and its gradient is one with the transpose, kept beside it:
    together several times faster than a gather and its scattered sum.

    Parameters
    ----------
    codes : LongTensor of shape (n, n_columns)
        -1 is the blank.
    n_rows : int
        Rows of the prompt table.
    """

    _beside: tuple[tuple[FixedCodes, ...], FixedCodes] | None = None

    def __init__(self, codes: Tensor, n_rows: int) -> None:
        self.n_columns = codes.shape[1]
        row, column = torch.nonzero(codes >= 0, as_tuple=True)  # (n_known,) each
        code = codes[row, column]  # (n_known,)
        self.matrix = _ones(row, code, (len(codes), n_rows))
        self.transpose = _ones(code, row, (n_rows, len(codes)))

    @classmethod
    def of_matrix(cls, features: sparse.csr_array, device: torch.device) -> FixedCodes:
        """Codes of features (n, n_rows) that never change, with the weights that they have."""
        made = cls.__new__(cls)
        made.n_columns = 2
        if (features.data == 1).all() and (np.diff(features.indptr) <= 1).all():
            made.n_columns = 1
        made.matrix = _of_csr(features, device)
        made.transpose = _of_csr(sparse.csr_array(features.T), device)
        return made

    def beside(self, others: tuple[FixedCodes, ...]) -> FixedCodes:
        """These codes and others, for tables that stand one above the other; made once."""
        if self._beside is None or self._beside[0] != others:
            matrices = [codes.matrix for codes in (self, *others)]
            made = FixedCodes.__new__(FixedCodes)
            made.n_columns = len(matrices)
            made.matrix = _hstacked(matrices)
            made.transpose = made.matrix.to_sparse_coo().t().coalesce().to_sparse_csr()
            self._beside = (others, made)
        return self._beside[1]

    def sum_rows(self, table: Tensor) -> Tensor:
        """Sum of the table rows that each row of codes names, (n, d)."""
        return _SparseProduct.apply(table, self.matrix, self.transpose)

    def mean_rows(self, values: Tensor) -> Tensor:
        """Mean of the rows of `values` (n, d) that name each prompt, (n_rows, d)."""
        sums = self.transpose.to(values.dtype) @ values  # (n_rows, d)
        counts = self.transpose @ values.new_ones(len(values), 1)  # (n_rows, 1)
        return sums / counts.clamp(min=1)  # (n_rows, d)


def _hstacked(matrices: list[Tensor]) -> Tensor:
    """Sparse matrices of as many rows, side by side."""
    rows = []
    columns = []
    width = 0
    for matrix in matrices:
        counts = matrix.crow_indices().diff()  # (n,)
        rows.append(torch.repeat_interleave(counts))  # (n_known,)
        columns.append(matrix.col_indices() + width)  # (n_known,)
        width += matrix.shape[1]
    return _ones(torch.cat(rows), torch.cat(columns), (len(matrices[0]), width))


class DenseRows:
    """Vectors of some items, of which a table makes prompts as a linear map.

    Parameters
    ----------
    vectors : Tensor of shape (n, n_rows)
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def sum_rows(self, table: Tensor) -> Tensor:
        """Images (n, d) of the vectors."""
        return self.vectors.to(table.dtype) @ table

    def mean_rows(self, values: Tensor) -> Tensor:
        """Linear map (n_rows, d) that brings the vectors nearest to `values` (n, d)."""
        vectors = self.vectors.to(values.dtype)  # (n, n_rows)
        square = vectors.T @ vectors  # (n_rows, n_rows)
        ridge = RIDGE * square.diagonal().mean().clamp(min=1e-12)
        square.diagonal().add_(ridge)
        return torch.linalg.solve(square, vectors.T @ values)


def _of_csr(matrix: sparse.csr_array, device: torch.device) -> Tensor:
    """Sparse matrix of torch."""
    bounds, columns, values = map(torch.from_numpy, (matrix.indptr, matrix.indices, matrix.data))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        made = torch.sparse_csr_tensor(
            bounds, columns, values, size=matrix.shape, check_invariants=False
        )
    return made.to(device)


def _ones(rows: Tensor, columns: Tensor, shape: tuple[int, int]) -> Tensor:
    """Sparse matrix of ones at some places."""
    ones = torch.ones(len(rows), device=rows.device)
    coo = torch.sparse_coo_tensor(torch.stack([rows, columns]), ones, shape, check_invariants=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return coo.coalesce().to_sparse_csr()


class _SparseProduct(torch.autograd.Function):
    """matrix @ table, with the gradient by the given transpose."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, matrix: Tensor, transpose: Tensor) -> Tensor:
        ctx.transpose = transpose
        return matrix.to(table.dtype) @ table

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transpose.to(grad.dtype) @ grad, None, None
