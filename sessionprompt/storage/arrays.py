"""Arrays and weights of fitted estimators by name, checked when they are taken out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from ..vocabulary import Vocabulary
from .json import from_json, parse_json, to_json

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ArrayStore"]

LARGEST = 2**64 - 1  # of the whole numbers that an array can hold
DOUBLE = "torch.float64"  # torch itself is not needed here


class ArrayStore:
    """Arrays and weights under names; an estimator inside another has a compartment of its own.

    Parameters
    ----------
    arrays : dict of str to ndarray
    weights : dict of str to Tensor
    prefix : str
        Beginning of the names in this compartment.
    classes : dict of str to type, optional
        The classes of the estimators whose arrays these are, by their names in the description.
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        weights: dict[str, Tensor],
        prefix: str = "",
        classes: dict[str, type] | None = None,
    ) -> None:
        self.arrays = arrays
        self.weights = weights
        self.prefix = prefix
        self.classes = {}
        if classes is not None:
            self.classes = classes

    def compartment(self, number: int) -> ArrayStore:
        """The part of the store for an estimator inside another, such as a step of a Pipeline."""
        return ArrayStore(self.arrays, self.weights, f"{self.prefix}{number}.", self.classes)

    def put(self, name: str, array: np.ndarray) -> None:
        """Store an array."""
        self.arrays[self.prefix + name] = array

    def take(self, name: str, kinds: str, *shape: int | None) -> np.ndarray:
        """Return an array of one of these kinds of dtype, and of this shape; None is any length."""
        name = self.prefix + name
        if name not in self.arrays:
            raise ValueError(f"arrays.npz holds no {name!r}.")
        array = self.arrays[name]
        if array.dtype.kind not in kinds or not _fits(array.shape, shape):
            raise ValueError(
                f"arrays.npz: {name!r} is an array of {array.dtype} and shape {array.shape}; "
                f"it should be of a kind in {kinds!r} and of shape {shape}."
            )
        return array

    def put_ids(self, name: str, vocabulary: Vocabulary) -> None:
        """Store the ids of a vocabulary.

        Numbers are an array, strings one text and the characters of each, all others JSON.
        """
        if vocabulary.ids.dtype != object:
            self.put(name, vocabulary.ids)
            return
        ids = vocabulary.ids.tolist()
        kinds = set(map(type, ids))
        if kinds == {str}:
            self._put_strings(name, ids)
        elif kinds == {int} and min(ids) >= 0 and max(ids) <= LARGEST:
            self.put(name, np.array(ids, dtype=np.uint64))
        else:
            text = json.dumps([_id_to_json(one, name) for one in ids])
            self.put(f"{name}_json", np.frombuffer(text.encode(), dtype=np.uint8))

    def _put_strings(self, name: str, ids: list[str]) -> None:
        text = "".join(ids).encode("utf-8", "surrogatepass")
        self.put(f"{name}_text", np.frombuffer(text, dtype=np.uint8))
        self.put(f"{name}_lengths", np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)))

    def take_ids(self, name: str) -> Vocabulary:
        """Return a vocabulary whose ids were stored."""
        if f"{self.prefix}{name}_text" in self.arrays:
            ids = self._take_strings(name)
        elif f"{self.prefix}{name}_json" in self.arrays:
            ids = self._take_others(name)
        else:
            ids = self.take(name, "iuf", None).tolist()
        vocabulary = Vocabulary(ids)
        if vocabulary.ids.tolist() != ids:
            raise ValueError(f"arrays.npz: the {name} ids are out of order.")
        return vocabulary

    def _take_others(self, name: str) -> list[Any]:
        stored = parse_json(self.take(f"{name}_json", "u", None).tobytes())
        if not isinstance(stored, list):
            raise ValueError(f"arrays.npz: the {name} ids are no list.")
        return [from_json(one) for one in stored]

    def _take_strings(self, name: str) -> list[str]:
        text = self.take(f"{name}_text", "u", None).tobytes().decode("utf-8", "surrogatepass")
        lengths = self.take(f"{name}_lengths", "i", None)
        if (lengths < 0).any() or lengths.sum() != len(text):
            raise ValueError(f"arrays.npz: the {name} ids do not fill their text.")
        ends = np.cumsum(lengths)
        starts = ends - lengths
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return [text[start:end] for start, end in pairs]

    def put_graph(self, name: str, graph: sparse.csr_array) -> None:
        """Store the weights of a graph's edges."""
        self.put(f"{name}_weights", graph.data)
        self.put(f"{name}_neighbours", graph.indices)
        self.put(f"{name}_starts", graph.indptr)

    def take_graph(self, name: str, n_nodes: int) -> sparse.csr_array:
        """Return a graph of so many nodes; a ValueError if it is none, or a weight is below 0."""
        weights = self.take(f"{name}_weights", "if", None)
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError(f"arrays.npz: '{self.prefix}{name}_weights' must be 0 or more.")
        neighbours = self.take(f"{name}_neighbours", "i", None)
        starts = self.take(f"{name}_starts", "i", n_nodes + 1)
        graph = sparse.csr_array((weights, neighbours, starts), shape=(n_nodes, n_nodes))
        graph.check_format(full_check=True)
        return graph

    def put_features(self, name: str, features: np.ndarray | sparse.csr_array) -> None:
        """Store features of items, dense or sparse."""
        if isinstance(features, np.ndarray):
            self.put(f"{name}_dense", features)
        else:
            self.put(f"{name}_weights", features.data)
            self.put(f"{name}_columns", features.indices)
            self.put(f"{name}_starts", features.indptr)

    def take_features(
        self, name: str, n_items: int, n_columns: int
    ) -> np.ndarray | sparse.csr_array:
        """Return features of this shape; a ValueError if they are none, or not finite."""
        if f"{self.prefix}{name}_dense" in self.arrays:
            dense = self.take(f"{name}_dense", "f", n_items, n_columns)
            self._check_features(name, dense)
            return dense
        weights = self.take(f"{name}_weights", "f", None)
        columns = self.take(f"{name}_columns", "i", None)
        starts = self.take(f"{name}_starts", "i", n_items + 1)
        features = sparse.csr_array((weights, columns, starts), shape=(n_items, n_columns))
        features.check_format(full_check=True)
        self._check_features(name, weights)
        return features

    def _check_features(self, name: str, values: np.ndarray) -> None:
        if values.dtype != np.float32 or not np.isfinite(values).all():
            raise ValueError(f"arrays.npz: '{self.prefix}{name}' must be finite float32 numbers.")

    def put_weights(self, state: dict[str, Tensor]) -> None:
        """Store the weights of a network; a ValueError names those that are not finite."""
        for name, value in state.items():
            _check_finite(name, value)
            self.weights[self.prefix + name] = value.detach().cpu().contiguous().clone()

    def take_weights(self, expected: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of this compartment, finite and of these names, shapes and dtypes.

        Where single precision is expected, all of them may be double.
        """
        found = self.own_weights()
        odd = sorted(expected.keys() ^ found.keys())
        if odd and odd[0] in expected:
            raise ValueError(f"model.safetensors: {odd[0]!r} is missing.")
        if odd:
            raise ValueError(f"model.safetensors: {odd[0]!r} is of another model.")
        is_double = all(
            str(value.dtype) == DOUBLE for value in found.values() if value.is_floating_point()
        )
        for name, value in expected.items():
            _check_weight(name, found[name], value, is_double)
            _check_finite(name, found[name])
        return found

    def own_weights(self) -> dict[str, Tensor]:
        """Weights of this compartment, whatever they are."""
        start = len(self.prefix)
        return {
            name[start:]: value
            for name, value in self.weights.items()
            if name.startswith(self.prefix)
        }


def _fits(lengths: tuple[int, ...], shape: tuple[int | None, ...]) -> bool:
    """Whether lengths are those of a shape in which None is any length."""
    if len(lengths) != len(shape):
        return False
    return all(n in (None, length) for n, length in zip(shape, lengths, strict=True))


def _id_to_json(one: Any, name: str) -> Any:
    """An id in terms of JSON, if it comes back as it is."""
    try:
        stored = to_json(one, name)
        same = type(from_json(stored)) is type(one) and from_json(stored) == one
    except TypeError:
        same = False
    if not same:
        raise TypeError(
            f"the {name} ids are of type {type(one).__name__} (first {one!r}) and cannot be "
            "stored; fit with ids that are numbers, strings, bytes, decimals, UUIDs, dates, or "
            "tuples of these."
        )
    return stored


def _check_finite(name: str, value: Tensor) -> None:
    if not value.is_meta and not bool(value.isfinite().all()):
        raise ValueError(
            f"the weights {name!r} are not all finite, so the model can rank nothing; fit again, "
            "such as with a lower lr."
        )


def _check_weight(name: str, found: Tensor, expected: Tensor, is_double: bool) -> None:
    dtype = str(expected.dtype)
    if is_double and expected.is_floating_point():
        dtype = DOUBLE
    if found.shape != expected.shape or str(found.dtype) != dtype:
        raise ValueError(
            f"model.safetensors: {name!r} is {found.dtype} of shape {tuple(found.shape)}; the "
            f"parameters ask for {expected.dtype} of shape {tuple(expected.shape)}."
        )
