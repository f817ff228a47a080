"""The errors this package raises on purpose.

Each message is written for the person at the beamline: what was wrong, where, and what to do. The command line
prints the message alone; a traceback means a defect of ours.
"""


class AinerdError(Exception):
    """Base of every error that a person can act on."""


class FrameError(AinerdError):
    """Detector frames that cannot be read or trusted: missing, truncated, of the wrong shape, negative, saturated."""


class FrameTimeoutError(FrameError):
    """Frames stopped coming before the movie was complete. All that came has been given.

    Attributes
    ----------
    received : int
        Frames that came, with those that were dropped between them.
    announced : int or None
        Frames that were expected, None where nobody knew.
    """

    def __init__(self, message: str, received: int, announced: int | None) -> None:
        super().__init__(message)
        self.received, self.announced = received, announced


class InstrumentError(AinerdError):
    """A device that is asked for what it cannot do: a position outside of its limits, a trigger before staging."""


class BinError(AinerdError):
    """Azimuthal bins that do not fit the detector, or that hold no usable pixel."""


class MapError(AinerdError):
    """C2 maps or latents that cannot be analysed: not square, not finite, without contrast."""


class ModelError(AinerdError):
    """A latent model that is missing, damaged, or of another version."""


class RheologyError(AinerdError):
    """A rheometer table without the columns or the time range that is needed."""


class CatalogError(AinerdError):
    """A Tiled server that cannot be reached, or a catalog that does not hold what was asked for."""


class SessionError(AinerdError):
    """An output folder that is in use or cannot be written, or a folder that holds no session."""
