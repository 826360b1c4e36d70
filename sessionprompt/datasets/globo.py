"""Globo: news reading at G1, from hourly files of clicks."""

from __future__ import annotations

import os

import narwhals as nw

from ..sessions import Sessions
from .kinds import MILLISECONDS, WHOLE
from .raw import RawLog, check_path
from .steps import cut_sessions, rows_step

__all__ = ["load_globo"]

SOURCE = (
    "It is the folder clicks of 'News Portal User Interactions by Globo.com', "
    "https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom, with "
    "the files clicks_hour_000.csv and so on."
)
COLUMNS = {
    "user_id": WHOLE,
    "session_id": WHOLE,
    "click_article_id": WHOLE,
    "click_timestamp": MILLISECONDS,
}


def load_globo(path: str | os.PathLike[str]) -> Sessions:
    r"""Load the hourly click files of Globo.com (de Souza Pereira Moreira et al. 2019).

    The publisher has removed sessions of one click and repeated clicks already. The last click of
    every session is stamped 30 seconds after the one before it, whatever happened.

    Parameters
    ----------
    path : path
        Folder of the files ``clicks_hour_*.csv``, plain or ending in ``.gz``; empty ones are passed
        over.

    Returns
    -------
    Sessions
        With users, times (UTC) and a `report`; ids are those of the log.

    Raises
    ------
    FileNotFoundError
        If the folder is not there or holds no such file.
    ValueError
        If a file is not such a log, or all are empty.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> lines = ["user_id,session_id,session_start,session_size,click_article_id,click_timestamp"]
    >>> lines += ["0,1506825423271737,1506825423000,2,119592,1506826828020"]
    >>> lines += ["0,1506825423271737,1506825423000,2,157541,1506826798020"]
    >>> _ = (folder / "clicks_hour_000.csv").write_text("\n".join(lines))
    >>> load_globo(folder).to_lists()
    [[157541, 119592]]
    """
    folder = check_path(path, SOURCE, folder=True)
    files = sorted(folder.glob("clicks_hour_*.csv")) + sorted(folder.glob("clicks_hour_*.csv.gz"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no file clicks_hour_*.csv. {SOURCE}")
    full = [file for file in files if file.stat().st_size > 0]
    if not full:
        raise ValueError(f"all files clicks_hour_*.csv in {folder} are empty. {SOURCE}")
    rows = nw.concat([RawLog(file, SOURCE).read(COLUMNS) for file in full])
    report = [rows_step(f"rows read from {len(full)} of {len(files)} files", rows)]
    columns = {
        "item": "click_article_id",
        "session": "session_id",
        "user": "user_id",
        "time": "click_timestamp",
    }
    return cut_sessions(rows, report, "sessions", **columns)
