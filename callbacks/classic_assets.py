"""`resource` and `datum` documents of one run as `stream_resource` and `stream_datum`, by bluesky-tiled-plugins.

So frames are found in the same way live and in Tiled, whose writer converts documents by the same class. It only sees
what concerns the detector: other devices' documents cannot make it fail.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ainerd_agent.callbacks.values import as_mapping, whole_number
from ainerd_agent.scattering.frames.assets import numbered_rows

Document = tuple[str, Mapping[str, Any]]


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
        self._numbers: dict[str, int] = {}
        """Number of the event that named a datum, by its id, until its frames are known."""
        self._normalizer = RunNormalizer(patches={"datum": _with_rows})
        self._normalizer.subscribe(self._keep)

    def convert(self, name: str, doc: Mapping[str, Any]) -> list[Document]:
        """Take a descriptor, an event that names a datum, a resource, a datum, a page of them, or the stop document.

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
        if name == "event" and isinstance(datum := as_mapping(doc.get("data")).get(self._key), str):
            self._numbers[datum] = whole_number(doc.get("seq_num")) or 0
        getattr(self._normalizer, name)(self._trimmed(name, doc))
        made, self._made = self._made, []
        return made

    def _keep(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "stream_datum" and (number := self._numbers.pop(doc["uid"], 0)):
            # Made of the datum's own number there, which is another where an event came again or the detector was
            # staged for an earlier run.
            n_rows = doc["indices"]["stop"] - doc["indices"]["start"]
            doc = {**doc, "seq_nums": {"start": number, "stop": number + n_rows}}
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
        elif name == "event":
            for part in ("data", "timestamps", "filled"):
                own[part] = {key: value for key, value in as_mapping(doc.get(part)).items() if key == self._key}
        return own
