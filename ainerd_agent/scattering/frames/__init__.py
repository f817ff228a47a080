"""Where frames come from: in memory, in Tiled, in files. A new detector format goes here, as a module of its own.

A source is any class with what `records.FrameSource` asks for: `shape`, (T, H, W), and `blocks()`, which opens the data
and gives consecutive blocks: arrays (t, H, W), `NumberedFrames` where frames may be missing, or `PhotonEvents`.
`arrays.py` is the shortest one; `event_blocks.py` cuts and checks events, `read_ahead.py` reads in threads. What cannot
be read raises a `FrameError`, which says what to do; a movie that was cut short gives its frames first, and then raises
a `FrameTimeoutError`. A format that documents name has its opener in `assets.py`; every file is opened through
`roots.py`, so that nothing else than regular files in the right folders is read. Name the class in
`scattering/__init__.pyi` and in docs/how-to/read-frames.md, and test it in tests/scattering/frames.
"""
