"""Download of the logs that have a public address and a published checksum."""

from __future__ import annotations

import os
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

__all__ = ["fetch"]

CHUNK = 1 << 20
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Archive:
    """A tar archive at a public address, and the file of interest in it."""

    url: str
    md5: str
    member: str
    member_md5: str


ARCHIVES = {
    # archive: checksum of record 6090214; log: checksum of the README at
    # ocelma.net/MusicRecommendationDataset
    "lastfm-1k": Archive(
        url="https://zenodo.org/records/6090214/files/lastfm-dataset-1K.tar.gz",
        md5="a79a6808f54f73354789a9fb02cb1e41",
        member="lastfm-dataset-1K/userid-timestamp-artid-artname-traid-traname.tsv",
        member_md5="64747b21563e3d2aa95751e0ddc46b68",
    ),
}


def fetch(
    name: str, folder: str | os.PathLike[str] | None = None, *, progressbar: bool = False
) -> Path:
    """Download a log, unless it is there already, check it and unpack it.

    A download that breaks off goes on where it stopped when `fetch` is called again. The data come
    with their own terms: Last.fm-1K is for non-commercial use.

    Parameters
    ----------
    name : {"lastfm-1k"}
        Last.fm-1K (Celma 2010, doi 10.5281/zenodo.6090214) is 672 MB to download and 2.4 GB
        unpacked. The other logs are behind a registration, so their loaders take a path.
    folder : path, optional
        Where to put it, by default the user's cache folder.
    progressbar : bool
        Whether to show the progress of the download.

    Returns
    -------
    Path
        The unpacked log, for the loader.

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If the download fails.
    ValueError
        If the name is not known, or a checksum is wrong.

    Examples
    --------
    >>> path = fetch("lastfm-1k")  # doctest: +SKIP
    >>> sessions = load_lastfm(path)  # doctest: +SKIP
    """
    if name not in ARCHIVES:
        available = ", ".join(map(repr, ARCHIVES))
        raise ValueError(
            f"name={name!r} has no public address with a checksum; {available} has. The loaders "
            "of the other logs say where to get them."
        )
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "downloading needs pooch; pip install 'sessionprompt[datasets]'."
        ) from error
    archive = ARCHIVES[name]
    if folder is None:
        folder = pooch.os_cache("sessionprompt")
    place = Path(folder) / name
    packed = archive.url.rsplit("/", 1)[1]
    files = pooch.retrieve(
        archive.url,
        known_hash=f"md5:{archive.md5}",
        fname=packed,
        path=place,
        downloader=_Resuming(place / f".{packed}.part", progressbar),
        processor=pooch.Untar(members=[archive.member], extract_dir="."),
    )
    return _checked(Path(files[0]), archive.member_md5, pooch.file_hash)


def _checked(path: Path, md5: str, file_hash: Any) -> Path:
    found = file_hash(str(path), alg="md5")
    if found != md5:
        raise ValueError(f"{path} has the md5 {found}, not {md5}: delete it and call fetch again.")
    return path


class _Resuming:
    """Downloader for pooch that keeps its bytes in a file of its own, and asks for the rest."""

    def __init__(self, part: Path, progressbar: bool) -> None:
        self.part = part
        self.progressbar = progressbar

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        import requests

        headers = {}
        if self.part.exists() and self.part.stat().st_size > 0:
            headers["Range"] = f"bytes={self.part.stat().st_size}-"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            # else all of it is here
            if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                response.raise_for_status()
                self._write(response)
        os.replace(self.part, output_file)

    def _write(self, response: Any) -> None:
        """Add the bytes of the answer to the file, or begin it anew if they are the whole."""
        from tqdm import tqdm

        mode = "wb"
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            mode = "ab"
        size = int(response.headers.get("Content-Length", 0)) or None
        bar = tqdm(total=size, unit="B", unit_scale=True, disable=not self.progressbar)
        with self.part.open(mode) as file, bar:
            for chunk in response.iter_content(CHUNK):
                bar.update(file.write(chunk))
