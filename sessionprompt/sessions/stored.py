"""Sessions in folders: columns are mapped from their files, and read where they are needed."""

from __future__ import annotations

import os
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .. import storage
from ..vocabulary import Vocabulary
from .columns import Numbering
from .event_attributes import EventAttribute
from .filters import FilterReport
from .selection import SessionSelection

__all__ = ["StoredSessions"]

# arrays of sessions as they are; ids that are no numbers stand as codes
PLAIN = ("codes", "offsets", "event_times", "labels", "target_start", "is_target")
IDS = ("ids", "users", "items")
ATTRIBUTES = "event_attributes"
FILES = (*PLAIN, *IDS, ATTRIBUTES)
TRIES = 100  # each fails only if the folder was replaced while it was opened


class StoredSessions(SessionSelection):
    """Sessions that are written to a folder, and opened from one without being read."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the sessions to a folder, from which :meth:`open` maps them.

        Each column is an npy file; ``sessions.json`` describes them and holds their digests. The
        folder appears when it is complete; what was at `path` stays whole until then.

        Parameters
        ----------
        path : path
            A folder that is there must be empty or hold sessions.

        Raises
        ------
        TypeError
            If ids are of a kind that has no form in a file.
        ValueError
            If the sessions carry what a fitted step knows (labels with their annotator, attributes
            of items), or `path` is something else.
        OSError
            If the disk is full or may not be written.

        Examples
        --------
        >>> import tempfile
        >>> from sessionprompt import Sessions
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Sessions.from_lists([["tea", "cup"], ["pot"]]).save(f"{folder}/log")
        ...     Sessions.open(f"{folder}/log")[1]
        ['pot']
        """
        if self.annotator is not None or self.item_attributes:
            raise ValueError(
                "these sessions carry labels or attributes of items, which a fitted step knows; "
                "save the sessions before they are transformed, and the step with "
                "sessionprompt.save."
            )
        columns = {name: getattr(self, name) for name in PLAIN if getattr(self, name) is not None}
        store = storage.ArrayStore({}, {})
        coded = []
        for name, ids in zip(IDS, (self.ids, self.users, self.vocabulary.ids), strict=True):
            if ids is None:
                continue
            columns[name] = ids
            if ids.dtype == object:
                columns[name] = _put_coded(store, name, ids)
                coded.append(name)
        if self.event_attributes:
            columns[ATTRIBUTES] = _put_attributes(store, self.event_attributes)
        description = {
            "coded": coded,
            "attributes": [one.name for one in self.event_attributes],
            "numbering": self.numbering,
            "report": None,
        }
        if self.report is not None:
            description["report"] = storage.to_json(self.report.steps, "report")
        storage.write_columns(path, description, columns, store.arrays, FILES)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> Self:
        """Sessions of a folder that :meth:`save` has written; nothing in it can be executed.

        Numbers are mapped: the system reads what is asked for and may drop it again, so opening
        takes no time and sessions may be larger than memory. Ids that are strings, and the items,
        are read.

        Parameters
        ----------
        path : path
        verify : bool, default=False
            Read all files once and compare them with their digests. Without, sizes and dtypes are
            compared, and the head with its digest.

        Returns
        -------
        Sessions
            They stay as they are while another process replaces the folder.

        Raises
        ------
        FileNotFoundError
            If there is no such folder.
        ValueError
            If the folder was never finished, is damaged, or was written by a newer version.

        Examples
        --------
        >>> from sessionprompt import Sessions
        >>> Sessions.open("logs/2025")  # doctest: +SKIP
        Sessions(3,312,004 sessions, 100,000,000 events, 1,000,000 items; event_times)
        """
        for _ in range(TRIES):
            head = storage.read_head(path)
            columns, arrays = storage.open_columns(path, head, verify=verify)
            if storage.read_head(path) == head:
                break
        return cls._from_stored(head["description"], columns, arrays)

    @classmethod
    def _from_stored(
        cls,
        description: dict[str, Any],
        columns: dict[str, NDArray[Any]],
        arrays: dict[str, NDArray[Any]],
    ) -> Self:
        """Sessions of the columns of a folder."""
        store = storage.ArrayStore(arrays, {})
        for name in description["coded"]:
            columns[name] = store.take_ids(name).ids[columns[name]]
        attributes = []
        codes = columns.pop(ATTRIBUTES, ())
        for row, name in enumerate(description["attributes"]):
            values = store.take_ids(f"{ATTRIBUTES}{row}").ids
            attributes.append(EventAttribute(name, values, codes[row]))
        found: dict[str, Any] = dict.fromkeys(("users", *PLAIN)) | columns
        found["vocabulary"] = Vocabulary(found.pop("items"))
        found["event_attributes"] = tuple(attributes)
        if description["numbering"] is not None:
            found["numbering"] = Numbering(*description["numbering"])
        if description["report"] is not None:
            found["report"] = FilterReport(description["report"])
        return cls._from_checked(**found)


def _put_coded(store: storage.ArrayStore, name: str, ids: NDArray[Any]) -> NDArray[np.int32]:
    """Code of each id; the ids that the codes stand for are stored."""
    vocabulary, codes = Vocabulary.from_values(ids, name)
    store.put_ids(name, vocabulary)
    return codes


def _put_attributes(
    store: storage.ArrayStore, attributes: tuple[EventAttribute, ...]
) -> NDArray[np.int32]:
    """Code of each attribute of each event, shape (n_attributes, n_events); values are stored."""
    codes = np.empty((len(attributes), len(attributes[0].codes)), dtype=np.int32)
    for row, attribute in enumerate(attributes):
        vocabulary, _ = Vocabulary.from_values(attribute.values, attribute.name)
        store.put_ids(f"{ATTRIBUTES}{row}", vocabulary)
        codes[row] = attribute.numbered(vocabulary)
    return codes
