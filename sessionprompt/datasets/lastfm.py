"""Last.fm-1K: plays of 992 listeners, with artists as items."""

from __future__ import annotations

import os
from pathlib import Path

import narwhals as nw

from .._checks import check_choice, check_count
from ..sessions import Sessions
from .kinds import MAYBE, TEXT, UTC
from .raw import RawLog
from .steps import (
    cut_sessions,
    filtered,
    finished,
    newest_last,
    rows_step,
    truncated,
    without_repeats,
)

__all__ = ["load_lastfm"]

SOURCE = (
    "Get lastfm-dataset-1K.tar.gz from "
    "http://ocelma.net/MusicRecommendationDataset/lastfm-1K.html, or call "
    "sessionprompt.datasets.fetch('lastfm-1k'), and name the unpacked "
    "userid-timestamp-artid-artname-traid-traname.tsv."
)
NAMES = ("user", "time", "artist_id", "artist_name", "track_id", "track_name")


def load_lastfm(
    path: str | os.PathLike[str],
    *,
    top_items: int | None = 40_000,
    gap: str = "8h",
    missing_ids: str = "name",
    repeats: str = "keep",
    max_length: int | None = None,
) -> Sessions:
    r"""Load the Last.fm-1K log (Celma 2010) with artists as items.

    Sessions end after eight hours of silence; of what is left of them the most frequent artists are
    kept. The sizes in the CLIP-SBR paper rest on the preparation of HG-GNN (Pang et al. 2022),
    which leaves out artists without an id, removes immediate repeats and keeps the first 20 events
    of a session::

        sessions = load_lastfm(path, missing_ids="drop", repeats="drop", max_length=20)
        sessions = sessions.filter(min_item_support=5, min_length=2, until_stable=True)
        sessions = paper_filter(sessions)

    Parameters
    ----------
    path : path
        ``userid-timestamp-artid-artname-traid-traname.tsv``, plain or ending in ``.gz``.
    top_items : int or None
        How many artists to keep.
    gap : str
        The silence that ends a session.
    missing_ids : {"name", "drop"}
        What to do with plays whose artist has no MusicBrainz id: take the name as the id, or leave
        them out.
    repeats : {"keep", "drop"}
        Whether plays of the same artist as just before stay.
    max_length : int, optional
        Cut sessions to their first events.

    Returns
    -------
    Sessions
        With users, times (UTC) and a `report` of all steps.

    Raises
    ------
    FileNotFoundError
    ValueError
        If the file is not such a log, or a parameter is not possible.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> lines = ["u1\t2009-05-04T23:08:57Z\t\tDeep Dish\t\tFlashdance"]
    >>> lines += ["u1\t2009-05-04T13:54:10Z\tid-1\tAir\t\tLa Femme"]
    >>> path = pathlib.Path(tempfile.mkdtemp(), "log.tsv")
    >>> _ = path.write_text("\n".join(lines))
    >>> load_lastfm(path).to_lists()
    [['id-1'], ['Deep Dish']]
    """
    check_choice("missing_ids", missing_ids, ("name", "drop"))
    check_choice("repeats", repeats, ("keep", "drop"))
    if max_length is not None:
        check_count("max_length", max_length)
    columns = {"user": TEXT, "time": UTC, "artist_id": MAYBE, "artist_name": MAYBE}
    log = RawLog(Path(path), SOURCE, separator="\t", names=NAMES, quoted=False)
    rows = log.read(columns, header=False)
    report = [rows_step("rows read", rows)]
    artist = nw.col("artist_id")
    step = "artist has an id"
    if missing_ids == "name":
        artist = nw.coalesce("artist_id", "artist_name")
        step = "artist known"
    rows = newest_last(rows.select("user", "time", artist=artist).drop_nulls("artist"))
    report.append(rows_step(step, rows))
    sessions = cut_sessions(
        rows, report, f"gap={gap}", item="artist", user="user", time="time", gap=gap
    )
    if repeats == "drop":
        sessions = without_repeats(sessions)
    if max_length is not None:
        sessions = truncated(sessions, max_length)
    return finished(filtered(sessions, top_items=top_items))
