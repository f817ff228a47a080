"""`resource` and `datum` documents of one run as `stream_resource` and `stream_datum`, by bluesky-tiled-plugins.

So frames are found in the same way live and in Tiled, whose writer converts documents by the same class. It only sees
what concerns the detector: other devices' documents cannot make it fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from event_model import unpack_datum_page

from ainerd_agent.callbacks.values import as_mapping, shown, whole_number
from ainerd_agent.scattering.frames.assets import numbered_rows

Document = tuple[str, Mapping[str, Any]]

MOST_DATUMS = 10_000
"""Latest datums that an event may name."""


def _root_of(resource: Mapping[str, Any]) -> str:
    """The folder that a resource's path begins at.

    Raises
    ------
    ValueError
        The path does not begin at the root of the file system: it would be looked for in the folder of this process.
    """
    root, path = str(resource.get("root") or ""), str(resource.get("resource_path") or "")
    if not (root or path).startswith("/"):
        raise ValueError(f"the path {shown(path)} of a resource has no folder to begin at (root {shown(root)})")
    return root


def _with_rows(datum: dict[str, Any]) -> dict[str, Any]:
    """A datum whose number of a file is its row: else only the first of a resource would keep it."""
    return {**datum, "datum_kwargs": numbered_rows(as_mapping(datum.get("datum_kwargs")))}


class ClassicAssets:
    """Converts the documents of one run.

    Parameters
    ----------
    key : str
        The detector's.
    """

    def __init__(self, key: str) -> None:
        from bluesky_tiled_plugins.writing.tiled_writer import RunNormalizer

        self._key = key
        self._made: list[Document] = []
        self._datums: dict[str, dict[str, Any]] = {}
        self._waiting: dict[str, list[Mapping[str, Any]]] = {}
        """Events whose datum has not come, by its id."""
        self._number = 0
        """Of the event that is converted."""
        self._normalizer = RunNormalizer(patches={"datum": _with_rows})
        self._normalizer.subscribe(self._keep)

    def convert(self, name: str, doc: Mapping[str, Any]) -> list[Document]:
        """Take a descriptor, an event that names a datum, a resource, a datum, a page of them, or the stop document.

        An event waits here for its datum. Several events may name the same one.

        Returns
        -------
        list of (name, doc)
            `stream_resource` and `stream_datum` documents that follow from it.

        Raises
        ------
        Exception
            Whatever bluesky-tiled-plugins raises for documents that it cannot convert.
        """
        self._made = []
        if name == "datum":
            self._datum(doc)
        elif name == "datum_page":
            for datum in unpack_datum_page(cast(Any, doc)):
                self._datum(datum)
        elif name == "event":
            self._event(doc)
        elif name != "stop":  # there are no events left for it to complain of
            getattr(self._normalizer, name)(self._trimmed(name, doc))
        made, self._made = self._made, []
        return made

    def _datum(self, doc: Mapping[str, Any]) -> None:
        key = str(doc.get("datum_id"))
        self._datums[key] = dict(doc)
        if len(self._datums) > MOST_DATUMS:
            del self._datums[next(iter(self._datums))]
        for event in self._waiting.pop(key, ()):
            self._event(event)

    def _event(self, doc: Mapping[str, Any]) -> None:
        key = str(as_mapping(doc.get("data")).get(self._key))
        if key not in self._datums:
            self._waiting.setdefault(key, []).append(doc)
            return
        self._number = whole_number(doc.get("seq_num")) or 0
        self._normalizer.datum(self._datums[key])
        self._normalizer.event(self._trimmed("event", doc))

    def _keep(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "stream_datum":
            # Its number of an event is made from the datum there, which is another where an event came again or the
            # detector was staged for an earlier run.
            n_rows = doc["indices"]["stop"] - doc["indices"]["start"]
            numbers = {"start": self._number, "stop": self._number + n_rows}
            doc = {**doc, "uid": f"{doc['uid']}/{self._number}", "seq_nums": numbers}
        if name in ("stream_resource", "stream_datum"):
            self._made.append((name, doc))

    def _trimmed(self, name: str, doc: Mapping[str, Any]) -> dict[str, Any]:
        """The document, without what other devices have in it."""
        own = dict(doc)
        if name == "descriptor":
            data_keys = as_mapping(doc.get("data_keys"))
            own |= {
                "data_keys": {key: dict(value) for key, value in data_keys.items() if key == self._key},
                "configuration": {}, "object_keys": {}, "hints": {},
            }  # fmt: skip
        elif name in ("resource", "stream_resource") and "mimetype" not in doc:
            own |= {"root": _root_of(doc)}
        elif name == "event":
            for part in ("data", "timestamps", "filled"):
                own[part] = {key: value for key, value in as_mapping(doc.get(part)).items() if key == self._key}
        return own
