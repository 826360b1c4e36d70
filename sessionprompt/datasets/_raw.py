"""Raw text logs, read with the library at hand: the columns that a recipe needs, or an error that says where."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from ..sessions import find_backend
from ._kinds import Kind

__all__ = ["RawLog", "check_path"]

LONGEST_LINE = 1 << 20
EARLIEST, LATEST = np.datetime64("1995-01-01"), np.datetime64("2100-01-01")


def check_path(path: str | os.PathLike[str], source: str, *, folder: bool = False) -> Path:
    """Return the path, or raise an error that says where the file comes from."""
    path = Path(path)
    if not (path.is_dir() if folder else path.is_file()):
        raise FileNotFoundError(
            f"{path}: there is no such {'folder' if folder else 'file'}. {source}"
        )
    return path


@dataclass(frozen=True)
class RawLog:
    """A text file with one event per line, plain or ending in ``.gz``.

    Parameters
    ----------
    path : path
    source : str
        A sentence on where the file comes from, for errors.
    separator : str
    names : tuple of str, optional
        Names of all columns, in order; by default those of the first line.
    quoted : bool
        Whether quotes can hold a separator; otherwise they are characters like any other.
    """

    path: Path
    source: str
    _: KW_ONLY
    separator: str = ","
    names: tuple[str, ...] | None = None
    quoted: bool = True

    def fields(self) -> list[str]:
        """Return the fields of the first line.

        Raises
        ------
        FileNotFoundError
        ValueError
            If the file is empty or holds no text.
        """
        check_path(self.path, self.source)
        try:
            with (gzip.open if self.path.suffix == ".gz" else open)(self.path, "rb") as file:
                line = file.readline(LONGEST_LINE).decode("utf-8-sig")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error
        if not line.strip():
            raise ValueError(f"{self.path} is empty. {self.source}")
        fields = line.rstrip("\r\n").split(self.separator)
        return [field.strip('"') for field in fields] if self.quoted else fields

    def read(self, columns: Mapping[str, Kind], *, header: bool = True) -> nw.DataFrame[Any]:
        """Read some columns.

        Parameters
        ----------
        columns : mapping of str to Kind
            The columns to read, and what they hold.
        header : bool
            Whether the first line is a header.

        Returns
        -------
        narwhals DataFrame

        Raises
        ------
        ValueError
            If a column is not there, a required value is missing, or one is not of its kind.
        """
        names = self._checked_names(columns)
        texts = self._scan(names, list(columns), header)
        try:
            frame = texts.select(
                kind.parse(nw.col(name)).alias(name) for name, kind in columns.items()
            ).collect()
        except Exception as error:  # each library has errors of its own
            raise self._fault(texts, columns, header) or self._unreadable(error) from error
        if any(kind.required and frame[name].is_null().any() for name, kind in columns.items()):
            raise self._fault(texts, columns, header) or self._unreadable(
                ValueError("a value is missing")
            )
        for name, kind in columns.items():
            if kind.time:
                self._check_times(frame[name], kind)
        return frame

    def _checked_names(self, columns: Mapping[str, Kind]) -> list[str]:
        fields = self.fields()
        if self.names is None:
            if missing := [name for name in columns if name not in fields]:
                raise ValueError(
                    f"{self.path} has no column {missing[0]!r}; its first line names "
                    f"{', '.join(map(repr, fields))}. {self.source}"
                )
            return fields
        if len(fields) != len(self.names):
            raise ValueError(
                f"the first line of {self.path} has {len(fields)} fields, not the {len(self.names)} of a log of "
                f"{', '.join(self.names)} separated by {self.separator!r}. {self.source}"
            )
        return list(self.names)

    def _scan(self, names: list[str], wanted: list[str], header: bool) -> nw.LazyFrame[Any]:
        """Scan all columns as text, empty fields as missing."""
        options = {
            "polars": _polars_options,
            "pyarrow": _pyarrow_options,
            "pandas": _pandas_options,
        }
        backend = find_backend()
        native = options[backend](names, wanted, header, self.separator, self.quoted)
        try:
            return nw.scan_csv(
                str(self.path), backend=backend, separator=self.separator, **native
            ).select(wanted)
        except Exception as error:  # pandas and pyarrow read the file here
            raise self._unreadable(error) from error

    def _check_times(self, column: nw.Series[Any], kind: Kind) -> None:
        """Raise if the times are off by centuries, as they are when read in the wrong unit."""
        times = column.to_numpy()
        if len(times) and (times.min() < EARLIEST or times.max() > LATEST):
            raise ValueError(
                f"{self.path}, column {column.name!r}: read as {kind.words}, the times go from {times.min()} to "
                f"{times.max()}; they seem to be in another unit. {self.source}"
            )

    def _fault(
        self, texts: nw.LazyFrame[Any], columns: Mapping[str, Kind], header: bool
    ) -> ValueError | None:
        """Return an error on the first value that is missing or not of its kind, if there is one."""
        for name, kind in columns.items():
            try:
                column = texts.select(name).collect()[name]
            except Exception:  # then the file is broken, not a value
                return None
            fits = column.str.contains(kind.pattern)
            bad = ~fits.fill_null(not kind.required).to_numpy().astype(bool)
            if bad.any():
                row = int(bad.argmax())
                found = "nothing" if column.is_null()[row] else repr(column[row])
                return ValueError(
                    f"{self.path}, line {row + 1 + header}, column {name!r}: {found} is not {kind.words}. {self.source}"
                )
        return None

    def _unreadable(self, error: BaseException) -> ValueError:
        return ValueError(
            f"{self.path} cannot be read ({str(error).partition(chr(10))[0]}). {self.source}"
        )


def _polars_options(
    names: list[str], wanted: list[str], header: bool, separator: str, quoted: bool
) -> dict[str, Any]:
    return {
        "has_header": header,
        "new_columns": names,
        "infer_schema": False,
        "quote_char": '"' if quoted else None,
    }


def _pandas_options(
    names: list[str], wanted: list[str], header: bool, separator: str, quoted: bool
) -> dict[str, Any]:
    shape = {"header": 0 if header else None, "names": names, "usecols": wanted, "index_col": False}
    return {
        **shape,
        "dtype": str,
        "keep_default_na": False,
        "na_values": [""],
        "quoting": 0 if quoted else 3,
    }


def _pyarrow_options(
    names: list[str], wanted: list[str], header: bool, separator: str, quoted: bool
) -> dict[str, Any]:
    csv = import_module("pyarrow.csv")
    return {
        "read_options": csv.ReadOptions(column_names=names, skip_rows=int(header)),
        "parse_options": csv.ParseOptions(delimiter=separator, quote_char='"' if quoted else False),
        "convert_options": csv.ConvertOptions(
            include_columns=wanted,
            column_types=dict.fromkeys(wanted, "string"),
            strings_can_be_null=True,
            null_values=[""],
        ),
    }
