"""Downloading, from a server on this machine: never from anywhere else."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sessionprompt.datasets import download, fetch, load_lastfm

pytest.importorskip("pooch", reason="downloading needs the extra 'datasets'")

LOG = "".join(
    f"user_1\t2009-05-04T{i // 60:02}:{i % 60:02}:00Z\tid-{i % 9}\tname\t\t\n" for i in range(1000)
).encode()


def packed(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Server(HTTPServer):
    """Serves one file; may break off, and may not know how to go on."""

    content: bytes = b""
    break_at: int | None = None
    knows_ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        content = self.server.content
        start = 0
        if wanted and self.server.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.server.break_at])
        return None

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    real = download.ARCHIVES["lastfm-1k"]
    with Server() as server:
        server.content = packed(real.member, LOG)
        local = replace(
            real,
            url=f"http://127.0.0.1:{server.server_port}/lastfm-dataset-1K.tar.gz",
            md5=hashlib.md5(server.content).hexdigest(),
            member_md5=hashlib.md5(LOG).hexdigest(),
        )
        monkeypatch.setattr(download, "ARCHIVES", {"lastfm-1k": local})
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_log_is_downloaded_once_unpacked_and_loads(server: Server, tmp_path: Path) -> None:
    path = fetch("lastfm-1k", tmp_path)
    assert path.read_bytes() == LOG and path.is_relative_to(tmp_path)
    assert fetch("lastfm-1k", tmp_path) == path and server.asked == [None]
    assert load_lastfm(path).n_events == 1000
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_download_goes_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows_ranges: bool
) -> None:
    monkeypatch.setattr(download, "CHUNK", 64)
    server.knows_ranges = knows_ranges
    server.break_at = 700
    with pytest.raises(OSError):
        fetch("lastfm-1k", tmp_path)
    [part] = tmp_path.rglob("*.part")
    arrived = part.stat().st_size
    assert 0 < arrived <= 700
    server.break_at = None
    assert fetch("lastfm-1k", tmp_path).read_bytes() == LOG
    assert server.asked == [None, f"bytes={arrived}-"]


def test_a_download_that_was_complete_is_taken(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "lastfm-1k"
    folder.mkdir()
    (folder / ".lastfm-dataset-1K.tar.gz.part").write_bytes(server.content)
    assert fetch("lastfm-1k", tmp_path).read_bytes() == LOG


def test_a_wrong_archive_is_refused_and_forgotten(server: Server, tmp_path: Path) -> None:
    right = server.content
    server.content = packed("other", b"")
    with pytest.raises(ValueError, match="MD5 hash"):
        fetch("lastfm-1k", tmp_path)
    server.content = right
    assert fetch("lastfm-1k", tmp_path).read_bytes() == LOG


def test_a_damaged_log_is_refused(server: Server, tmp_path: Path) -> None:
    path = fetch("lastfm-1k", tmp_path)
    path.write_bytes(LOG[:-1])
    with pytest.raises(ValueError, match="has the md5 .*: delete it and call fetch again"):
        fetch("lastfm-1k", tmp_path)
    path.unlink()
    assert fetch("lastfm-1k", tmp_path).read_bytes() == LOG and server.asked == [None]


def test_a_server_that_has_it_not(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "do_GET", lambda self: self.send_error(404))
    with pytest.raises(OSError, match="404"):
        fetch("lastfm-1k", tmp_path)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        ValueError, match="name='xing' has no public address with a checksum; 'lastfm-1k' has"
    ):
        fetch("xing")
