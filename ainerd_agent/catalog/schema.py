"""What the catalog holds and how it is named: the one place for specs and keys. Columns and arrays are in `codec`.

    /raw/<uid>                     the run itself, written by bluesky_tiled_plugins.TiledWriter
    /xpcs/<uid>                    `MAPS_SPEC`: arrays `c2` and `g2`, table `bins`
    /ainerd/<model>/<uid>          `ANALYSIS_SPEC`: table `points`, one row per measurement and bin, and `time_scales`
    /ainerd/<model>/suggestions    what the agent proposed, why, and what became of it
    /annotations                   what people said of measurements
    /turns/<uid>                   there while a writer writes to that run
    /decisions/<model>/<id>        the decision about a suggestion that holds, where the server is not one of ours
    /agents/<model>/<agent>/<n>    a process of an agent, the n-th: what it does, and when it was seen last

Bins are counted from 1, clusters from 0 (the slowest). A measurement is known by its run, its stream and the numbers of
its first and its last event.
"""

from __future__ import annotations

RAW = "raw"
MAPS = "xpcs"
ANALYSES = "ainerd"
TURNS = "turns"
DECISIONS = "decisions"
AGENTS = "agents"
C2 = "c2"
G2 = "g2"
AGE_LAG = "age_lag"
BAD_PIXELS = "bad_pixels"
BINS = "bins"
POINTS = "points"
TIME_SCALES = "time_scales"
SUGGESTIONS = "suggestions"
ANNOTATIONS = "annotations"
STRESS = "stress"

RAW_SPEC = ("CatalogOfBlueskyRuns", "3.0")
RAW_RUN_SPEC = "BlueskyRun"
MAPS_SPEC = ("XPCSFingerprints", "2.0")
MODEL_SPEC = ("XPCSModel", "2.0")
ANALYSIS_SPEC = ("XPCSAnalysis", "2.0")
SUGGESTIONS_SPEC = ("XPCSSuggestions", "2.0")

RUN_STATUSES = ("running", "success", "abort", "fail")
SUGGESTION_EVENTS = (
    "proposed", "waiting", "approved", "edited", "rejected", "queued", "exposing", "ended early", "moved", "measured",
    "failed", "withdrawn",
)  # fmt: skip
"""In the life of a suggestion (`records.life`); the first one is in every life. "edited" and "moved" have the new
position."""

REQUESTS = ("pause", "resume", "stop", "suggest", "ask", "automatic")
"""What people may ask of a running agent, as events whose suggestion is its name: it listens to nothing else."""


ROW = ("raw_uid", "stream", "seq_num", "last_seq_num", "bin")
"""The columns that say which point a row is."""
