"""Arrays in an npz file, read without taking more memory than the file has bytes."""

from __future__ import annotations

from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from .members import read_members

__all__ = ["read_arrays", "read_header", "write_arrays"]

KINDS = "biuf"  # booleans and numbers
HEADERS: dict[tuple[int, int], Any] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def write_arrays(arrays: dict[str, np.ndarray]) -> bytes:
    """Content of an npz file, as it is without compression.

    Parameters
    ----------
    arrays : dict of str to ndarray

    Returns
    -------
    bytes
    """
    content = BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def read_arrays(content: bytes, name: str) -> dict[str, np.ndarray]:
    """Arrays of an npz file by name.

    Parameters
    ----------
    content : bytes
    name : str
        What the file is called in error messages.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If it is no npz file of numbers, is compressed, or an array claims another size than it has.

    Examples
    --------
    >>> read_arrays(write_arrays({"labels": np.arange(3)}), "arrays.npz")
    {'labels': array([0, 1, 2])}
    """
    try:
        members = read_members(content)
    except Exception as error:  # zipfile raises whatever damage makes it stumble over
        raise ValueError(f"{name} is no npz file, or a damaged one ({error}).") from error
    arrays = {}
    for member, stored in members.items():
        array_name = member.removesuffix(".npy")
        arrays[array_name] = _read_array(stored, f"{name}: {array_name!r}", len(content))
    return arrays


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and dtype that stand before the values of an array."""
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"version {version} of the format npy is not read")
    return HEADERS[version](file)


def _read_array(stored: bytes, name: str, longest: int) -> np.ndarray:
    """Array in the format npy, whose header is believed only as far as the bytes go."""
    file = BytesIO(stored)
    try:
        shape, in_fortran_order, dtype = read_header(file)
    except Exception as error:  # a header is parsed as Python's literals are
        raise ValueError(f"{name} is no array, or a damaged one ({error}).") from error
    if dtype.hasobject or dtype.kind not in KINDS:
        raise ValueError(f"{name} holds {dtype}, not numbers (allow_pickle=False).")
    count = 1
    for length in shape:  # of Python's integers, which do not overflow
        count *= length
    values = stored[file.tell() :]
    # an array of no bytes may still be said to have rows or columns without end
    if count * dtype.itemsize != len(values) or max(shape, default=0) > longest:
        raise ValueError(
            f"{name} has {len(values)} bytes of values, and its header asks for shape {shape} of "
            f"{dtype}."
        )
    order = "C"
    if in_fortran_order:
        order = "F"
    array = np.frombuffer(values, dtype).reshape(shape, order=order)  # type: ignore[call-overload]
    return array.copy()
