"""Members of zip files that take no more memory than the file itself."""

from __future__ import annotations

import zipfile
from collections.abc import Collection
from io import BytesIO

__all__ = ["read_members"]


def read_members(content: bytes, known: Collection[str] | None = None) -> dict[str, bytes]:
    """Contents of the members of a zip file, which must be stored as they are.

    Parameters
    ----------
    content : bytes
    known : collection of str, optional
        Names of the members to read, by default all.

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    ValueError
        If a member is compressed, or they are together larger than the file.
    zipfile.BadZipFile
        If the file is no zip file, or damaged.

    Examples
    --------
    >>> buffer = BytesIO()
    >>> with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
    ...     archive.writestr("zeros", bytes(1000))
    >>> read_members(buffer.getvalue())
    Traceback (most recent call last):
    ValueError: 'zeros' is compressed; members of a model are stored as they are
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = [
            member for member in archive.infolist() if known is None or member.filename in known
        ]
        _check_sizes(members, len(content))
        return {member.filename: archive.read(member) for member in members}


def _check_sizes(members: list[zipfile.ZipInfo], limit: int) -> None:
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
            raise ValueError(
                f"{member.filename!r} is compressed; members of a model are stored as they are"
            )
    total = sum(member.file_size for member in members)
    if total > limit:
        raise ValueError(f"its members claim {total} bytes, the file has {limit}")
