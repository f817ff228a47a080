"""The RunEngine. Files here run in order, in one namespace: `ipython --profile-dir=profile`."""

from bluesky import RunEngine

RE = RunEngine({})
