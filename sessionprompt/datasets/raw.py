"""Raw text logs: the columns that a preparation needs, or an error that names the line."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np

from ..sessions import broken_line
from .kinds import Kind
from .scan import Layout, scan_texts

__all__ = ["RawLog", "check_path"]

LONGEST_LINE = 1 << 20
EARLIEST = np.datetime64("1995-01-01")
LATEST = np.datetime64("2100-01-01")


def check_path(path: str | os.PathLike[str], source: str, *, folder: bool = False) -> Path:
    """The path of a file or folder that is there, else an error that names its source."""
    path = Path(path)
    kind = "file"
    is_there = path.is_file()
    if folder:
        kind = "folder"
        is_there = path.is_dir()
    if not is_there:
        raise FileNotFoundError(f"{path}: there is no such {kind}. {source}")
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
        """Fields of the first line.

        Raises
        ------
        FileNotFoundError
        ValueError
            If the file is empty or holds no text.
        """
        check_path(self.path, self.source)
        try:
            line = self._first_line()
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise self._unreadable(error) from error
        if not line.strip():
            raise ValueError(f"{self.path} is empty. {self.source}")
        fields = line.rstrip("\r\n").split(self.separator)
        if self.quoted:
            fields = [field.strip('"') for field in fields]
        return fields

    def _first_line(self) -> str:
        with self._opened() as file:
            return file.readline(LONGEST_LINE).decode("utf-8-sig")

    def _opened(self) -> Any:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rb")
        return self.path.open("rb")

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
        layout = Layout(self._names(columns), header, self.separator, self.quoted)
        try:
            texts = scan_texts(self.path, layout, list(columns))
        except Exception as error:  # pandas and pyarrow read the file here
            raise self._broken(len(layout.names)) or self._unreadable(error) from error
        try:
            frame = self._parsed(texts, columns)
        except Exception as error:  # each library has errors of its own
            broken = self._broken(len(layout.names))
            fault = self._fault(texts, columns, header)
            raise broken or fault or self._unreadable(error) from error
        for name, kind in columns.items():
            if kind.time:
                self._check_times(frame[name], kind)
        return frame

    def _names(self, columns: Mapping[str, Kind]) -> list[str]:
        """Names of all columns of the log, among them those to read."""
        fields = self.fields()
        if self.names is None:
            self._check_header(fields, columns)
            return fields
        if len(fields) != len(self.names):
            raise ValueError(
                f"the first line of {self.path} has {len(fields)} fields, not the "
                f"{len(self.names)} of a log of {', '.join(self.names)} separated by "
                f"{self.separator!r}. {self.source}"
            )
        return list(self.names)

    def _check_header(self, fields: list[str], columns: Mapping[str, Kind]) -> None:
        for name in columns:
            if name not in fields:
                raise ValueError(
                    f"{self.path} has no column {name!r}; its first line names "
                    f"{', '.join(map(repr, fields))}. {self.source}"
                )

    @staticmethod
    def _parsed(texts: nw.LazyFrame[Any], columns: Mapping[str, Kind]) -> nw.DataFrame[Any]:
        """Values of the texts; none is missing where it is required."""
        values = [kind.parse(nw.col(name)).alias(name) for name, kind in columns.items()]
        frame = texts.select(values).collect()
        for name, kind in columns.items():
            if kind.required and frame[name].is_null().any():
                raise ValueError("a value is missing")
        return frame

    def _check_times(self, column: nw.Series[Any], kind: Kind) -> None:
        """Raise if the times are off by centuries, as they are when read in the wrong unit."""
        times = column.to_numpy()
        if len(times) and (times.min() < EARLIEST or times.max() > LATEST):
            raise ValueError(
                f"{self.path}, column {column.name!r}: read as {kind.words}, the times go from "
                f"{times.min()} to {times.max()}; they seem to be in another unit. {self.source}"
            )

    def _fault(
        self, texts: nw.LazyFrame[Any], columns: Mapping[str, Kind], header: bool
    ) -> ValueError | None:
        """Error on the first value that is missing or not of its kind, if there is one."""
        for name, kind in columns.items():
            try:
                column = texts.select(name).collect()[name]
            except Exception:  # then the file is broken, not a value
                return None
            fits = column.str.contains(kind.pattern)
            bad = ~fits.fill_null(not kind.required).to_numpy().astype(bool)
            if bad.any():
                row = int(bad.argmax())
                line = row + 1 + header
                found = repr(column[row])
                if column.is_null()[row]:
                    found = "nothing"
                return ValueError(
                    f"{self.path}, line {line}, column {name!r}: {found} is not {kind.words}. "
                    f"{self.source}"
                )
        return None

    def _broken(self, n_fields: int) -> ValueError | None:
        """Error on the first line with too few or too many fields, if there is one."""
        try:
            with self._opened() as file, TextIOWrapper(file, "utf-8-sig", newline="") as lines:
                fault = broken_line(lines, self.separator, n_fields, quoted=self.quoted)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError):
            return None
        if fault is None:
            return None
        return ValueError(f"{self.path}, {fault}. {self.source}")

    def _unreadable(self, error: BaseException) -> ValueError:
        reason = str(error).partition("\n")[0]
        return ValueError(f"{self.path} cannot be read ({reason}). {self.source}")
