"""The writers of one spool: records that wait may be of several models, and each model has its own writer."""

from __future__ import annotations

import dataclasses
import json

from ainerd_agent.catalog.codec.metadata import plain_json
from ainerd_agent.catalog.write.writer import DerivedWriter
from ainerd_agent.records.analysis import ModelIdentity


class Siblings:
    """A writer and its like for other models, made when they are first needed.

    Parameters
    ----------
    writer : DerivedWriter
    """

    def __init__(self, writer: DerivedWriter) -> None:
        self._writer = writer
        self._by_model = {_in_json(writer.model): writer}

    def of(self, model: ModelIdentity | None) -> DerivedWriter:
        """The writer for the results of a model, its parameters and geometry included; the first one for None."""
        if model is None:
            return self._writer
        key = _in_json(model)
        if key not in self._by_model:
            self._by_model[key] = self._writer.for_model(model)
        return self._by_model[key]

    def forget_suggestions(self) -> None:
        """As `DerivedWriter.forget_suggestions`, for all of them: models of one name share a table."""
        for writer in self._by_model.values():
            writer.forget_suggestions()


def _in_json(model: ModelIdentity) -> str:
    """By which models are the same, also when one of them was in a file: as the catalog keeps them."""
    fields = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
    return json.dumps(plain_json(fields), sort_keys=True)
