"""Where the arrays and weights of fitted estimators lie by name while they are stored or read, and checks on them."""

from __future__ import annotations

import numpy as np
import torch

from ..vocabulary import Vocabulary

__all__ = ["ArrayStore"]


class ArrayStore:
    """Arrays and weights under names; an estimator inside a Pipeline has a compartment of its own.

    Parameters
    ----------
    arrays : dict of str to ndarray
    weights : dict of str to Tensor
    prefix : str
        What the names of this compartment begin with.
    """

    def __init__(
        self, arrays: dict[str, np.ndarray], weights: dict[str, torch.Tensor], prefix: str = ""
    ) -> None:
        self.arrays, self.weights, self.prefix = arrays, weights, prefix

    def compartment(self, number: int) -> ArrayStore:
        """The part of the shelf for a step of a Pipeline."""
        return ArrayStore(self.arrays, self.weights, f"{self.prefix}{number}.")

    def put(self, name: str, array: np.ndarray) -> None:
        """Store an array."""
        self.arrays[self.prefix + name] = array

    def take(self, name: str, kinds: str, *shape: int | None) -> np.ndarray:
        """Return an array whose dtype is of one of these kinds, and whose shape is this; None is any length."""
        name = self.prefix + name
        if name not in self.arrays:
            raise ValueError(f"arrays.npz holds no {name!r}.")
        array = self.arrays[name]
        fits = array.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, array.shape, strict=True)
        )
        if not fits or array.dtype.kind not in kinds:
            raise ValueError(
                f"arrays.npz: {name!r} is an array of {array.dtype} and shape {array.shape}; it should be of a kind in "
                f"{kinds!r} and of shape {shape}."
            )
        return array

    def put_ids(self, name: str, vocabulary: Vocabulary) -> None:
        """Store the ids of a vocabulary; strings as one long text and the length of each, in characters."""
        if vocabulary.ids.dtype != object:
            return self.put(name, vocabulary.ids)
        ids = vocabulary.ids.tolist()
        other = next((id_ for id_ in ids if not isinstance(id_, str)), None)
        if other is not None:
            raise TypeError(
                f"the {name} ids are of type {type(other).__name__} (first {other!r}) and cannot be stored; "
                "fit with ids that are 64-bit integers, floats or strings."
            )
        text = np.frombuffer("".join(ids).encode("utf-8", "surrogatepass"), dtype=np.uint8)
        self.put(f"{name}_text", text)
        self.put(f"{name}_lengths", np.fromiter(map(len, ids), dtype=np.int64, count=len(ids)))

    def take_ids(self, name: str) -> Vocabulary:
        """Return a vocabulary whose ids were stored."""
        strings = f"{self.prefix}{name}_text" in self.arrays
        ids = self._take_strings(name) if strings else self.take(name, "if", None).tolist()
        vocabulary = Vocabulary(ids)
        if vocabulary.ids.tolist() != ids:
            raise ValueError(f"arrays.npz: the {name} ids are out of order.")
        return vocabulary

    def _take_strings(self, name: str) -> list[str]:
        text = self.take(f"{name}_text", "u", None).tobytes().decode("utf-8", "surrogatepass")
        lengths = self.take(f"{name}_lengths", "i", None)
        if (lengths < 0).any() or lengths.sum() != len(text):
            raise ValueError(f"arrays.npz: the {name} ids do not fill their text.")
        ends = np.cumsum(lengths)
        return [
            text[end - length : end]
            for length, end in zip(lengths.tolist(), ends.tolist(), strict=True)
        ]

    def put_weights(self, state: dict[str, torch.Tensor]) -> None:
        """Store the weights of a network."""
        for name, value in state.items():
            self.weights[self.prefix + name] = (
                value.detach().cpu().clone(memory_format=torch.contiguous_format)
            )

    def take_weights(self) -> dict[str, torch.Tensor]:
        """Return the weights in this compartment."""
        start = len(self.prefix)
        return {
            name[start:]: value
            for name, value in self.weights.items()
            if name.startswith(self.prefix)
        }
