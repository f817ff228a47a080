"""Settings of a live analysis: from a TOML file, the environment, and arguments, in that order of rising priority."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class Table(BaseModel):
    """A table of the file; names that are not settings are refused."""

    model_config = ConfigDict(extra="forbid")

    def given(self, *names: str) -> list[str]:
        """Those of the settings that were not left at their defaults."""
        return [name for name in names if name in self.model_fields_set]


class DataKeys(Table):
    """Names under which the event documents carry what the analysis needs.

    The defaults are those of the simulated beamline. Keys that a run does not have are taken as not measured.
    """

    frames: str = "detector"
    frame_time: str = "detector-frame_time"
    saturation: str = "detector-saturation"
    exposure_start: str = "detector-exposure_start"
    x: str = "stage-x"
    y: str = "stage-y"
    axes: dict[str, str] = Field(
        default={}, description='further axes: a name of yours for the key of each, as theta = "stage-theta"'
    )
    shear_stress: str = "rheometer-shear_stress"
    shear_rate: str = "rheometer-shear_rate"
    viscosity: str = "rheometer-viscosity"


class MovieSettings(Table):
    """Which events of a run make a movie."""

    streams: tuple[str, ...] = Field(
        default=(), description="streams to analyse; by default all with the detector's key but those left alone"
    )
    left_alone: tuple[str, ...] = Field(
        default=("*dark*", "*flat*", "*baseline*", "*background*"),
        description="streams that are not analysed, by patterns of names",
    )
    made_of: Literal["auto", "event", "place", "stream"] = Field(
        default="auto",
        description="one event, the events in a row at one place, or the whole stream; "
        "auto: one event where it holds several frames, else those at one place",
    )
    events: int | None = Field(default=None, ge=2, description="events that make a movie, where it is a fixed number")
    same_place: float = Field(
        default=0.01, ge=0, description="difference of an axis, in its unit, that still counts as the same place"
    )
    limit: float = Field(default=600.0, gt=0, description="s after which a measurement is given up, for the next one")
    fewest_frames: int = Field(default=8, ge=2, description="frames below which there is no movie to correlate")

    @model_validator(mode="after")
    def _fixed_or_not(self) -> Self:
        if self.events is not None and self.made_of != "auto":
            raise ValueError(f"events already says what a movie is made of: leave out made_of = {self.made_of!r}")
        return self


class ClockSettings(Table):
    """Clocks that differ from that of the control system, whose time the events carry."""

    rheometer: float | None = Field(
        default=None, description="s that the rheometer's clock is ahead; estimated where it is not given"
    )
    detector: float | None = Field(
        default=None, description="s that the detector's clock is ahead; estimated where it is not given"
    )
    tolerance: float = Field(default=2.0, gt=0, description="s below which a difference is taken for delay, not clocks")


class GeometrySettings(Table):
    """Where the detector stands: a PONI file, or the centre and the distance of a flat detector normal to the beam."""

    poni: Path | None = Field(default=None, description="PONI file of pyFAI")
    centre_row: float | None = Field(default=None, description="direct beam, pixels; 0 is the middle of the first row")
    centre_column: float | None = Field(
        default=None, description="direct beam, pixels; 0 is the middle of the first column"
    )
    distance: float | None = Field(default=None, gt=0, description="m")
    pixel_size: float = Field(default=55e-6, gt=0, description="m")
    wavelength: float = Field(default=0.11271, gt=0, description="nm")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        parameters = ("centre_row", "centre_column", "distance")
        if self.poni is not None and (both := self.given(*parameters, "pixel_size", "wavelength")):
            raise ValueError(f"poni already tells {', '.join(both)}: give one or the other")
        if self.poni is None and (missing := [name for name in parameters if getattr(self, name) is None]):
            raise ValueError(f"without poni, {', '.join(missing)} must be given")
        return self


class BinSettings(Table):
    """The part of the detector that is analysed: the paper's by default."""

    q_min: float = Field(default=0.019, gt=0, description="1/nm")
    q_max: float = Field(default=0.029, gt=0, description="1/nm")
    n_q: int = Field(default=1, ge=1, description="rings between q_min and q_max")
    n_bins: int = Field(default=18, ge=1, description="sectors of each ring")
    first_azimuth: float = Field(default=0.0, description="where the first sector begins, degrees")
    partition: str | None = Field(default=None, description="partition map of APS, or labels, instead of rings")
    mask: str | None = Field(default=None, description="file of a mask")
    mask_marks: Literal["bad", "good"] = Field(default="bad", description="pixels whose mask is not 0")
    empty: Literal["raise", "drop"] = Field(default="raise", description="what becomes of a bin without pixels")

    @model_validator(mode="after")
    def _rings_or_partition(self) -> Self:
        if self.q_min >= self.q_max:
            raise ValueError(f"q_min {self.q_min:g} must be below q_max {self.q_max:g}")
        rings = self.given("q_min", "q_max", "n_q", "n_bins", "first_azimuth")
        if self.partition is not None and rings:
            raise ValueError(f"partition already says which bins there are: leave out {', '.join(rings)}")
        if self.mask is None and self.given("mask_marks"):
            raise ValueError("mask_marks says how to read a mask: give mask too, or leave it out")
        return self


class FileSettings(Table):
    """The detector's files: what stands beside the frames, and how long frames are waited for."""

    timestamps: str | None = Field(
        default=None, description="dataset with the time of each frame; areaDetector's NDArrayTimeStamp"
    )
    frame_numbers: str | None = Field(
        default=None, description="dataset with the number of each frame; gaps are dropped frames; NDArrayUniqueId"
    )
    timeout: float = Field(default=10.0, gt=0, description="s without a new frame after which a movie is cut short")
    prefetch: bool = Field(
        default=True,
        validation_alias=AliasChoices("prefetch", "follow"),  # its name in 0.1
        description="correlate an exposure while it goes on, before its event comes",
    )
    roots: tuple[Path, ...] = Field(
        default=(),
        description="folders that detector files are read from, after all links; by default any folder of this machine",
    )
    hosts: tuple[str, ...] = Field(
        default=(), description="names of other machines whose files stand under the same paths here"
    )
    largest_frame: int = Field(
        default=1_000_000_000, gt=0, description="bytes of a frame, or of a chunk, beyond which a file is refused"
    )

    @field_validator("roots")
    @classmethod
    def _absolute(cls, roots: tuple[Path, ...]) -> tuple[Path, ...]:
        relative = [str(root) for root in roots if not root.is_absolute()]
        if relative:
            raise ValueError(f"{', '.join(relative)} is no absolute path: roots are folders from / on")
        return roots


class CorrelationSettings(Table):
    """How C2 is computed."""

    sigma: float | None = Field(
        default=None,
        ge=0,
        description="anti-aliasing, frames; by default so that all frames count, in the paper 2",
    )
    normalise: Literal["static", "frame", "both"] = Field(
        default="static", description="divide by the static image, each frame by its mean, or both"
    )
    detect_bad_frames: bool = Field(default=True, description="leave out frames without beam")
    detect_bad_pixels: bool = Field(
        default=True, description="find and leave out hot, dead, flickering and full pixels"
    )
    dead_time: float = Field(default=0.0, ge=0, lt=1, description="of a pixel, in units of the frame time")
    ages: int = Field(
        default=16, ge=0, description="sections of the exposure that are correlated over lag, each on its own; 0: none"
    )
    device: str | None = Field(default=None, description='"cuda" to compute on a GPU')


class ForbiddenDisc(Table):
    """Everything within `radius` of (x, y), mm."""

    x: float
    y: float
    radius: float = Field(gt=0)


class ForbiddenRectangle(Table):
    """Everything between the two values of x and of y, mm."""

    x: tuple[float, float]
    y: tuple[float, float]


class ForbiddenBox(Table):
    """Everything between two values of each of these axes."""

    axes: dict[str, tuple[float, float]]


class ForbiddenBall(Table):
    """Everything within a radius of a centre; axes in several units need a radius each."""

    centre: dict[str, float]
    radius: float | dict[str, float]


Forbidden = ForbiddenDisc | ForbiddenRectangle | ForbiddenBox | ForbiddenBall


class AxisSettings(Table):
    """One axis that an agent moves."""

    low: float = Field(description="lowest value")
    high: float = Field(description="highest value")
    unit: str = Field(default="mm", description="of all values of this axis")
    scale: float | None = Field(
        default=None, gt=0, description="what counts as a distance of 1; by default by the range where units differ"
    )
    speed: float | None = Field(default=None, gt=0, description="its unit per s; by default that of the agent")
    settle: float = Field(default=0.0, ge=0, description="s that each move takes on top")
    one_way: bool = Field(default=False, description="it cannot be driven back, such as time")


class SampleSettings(Table):
    """One of several samples on a holder."""

    axes: dict[str, tuple[float, float]] = Field(
        default={}, description="where it lies: lowest and highest position on some of the axes"
    )
    wells: dict[str, dict[str, float]] = Field(
        default={}, description="the only positions that may be measured, by name"
    )
    forbidden: list[Forbidden] = Field(default=[], description="regions of it that the beam must not go to")
    measurements: int | None = Field(default=None, gt=0, description="how often it may be exposed, at most")
    seconds: float | None = Field(default=None, gt=0, description="s of beamtime that may be spent on it")


class AgentSettings(Table):
    """Where an agent may go, what a measurement costs, and what it looks for."""

    x: tuple[float, float] | None = Field(default=None, description="lowest and highest position, mm")
    y: tuple[float, float] | None = Field(default=None, description="lowest and highest position, mm")
    axes: dict[str, AxisSettings] = Field(default={}, description="other axes, by name")
    wells: dict[str, dict[str, float]] | None = Field(
        default=None, description="the only positions that may be measured, by name: a value for each axis"
    )
    samples: dict[str, SampleSettings] = Field(default={}, description="several samples on one holder, by name")
    forbidden: list[Forbidden] = Field(default=[], description="regions that the beam must not go to")
    exclusion: float | dict[str, float] | None = Field(
        default=None, description="between exposed spots, at least: a distance, or one for each axis that counts"
    )
    speed: float = Field(default=10.0, gt=0, description="of axes without one of their own, mm/s")
    counting: float = Field(default=1.0, gt=0, description="s that a measurement takes, travel apart")
    goal: Literal["coverage", "novelty"] = Field(default="coverage", description="what is sought")
    n_start: int = Field(default=5, ge=1, description="measurements that fill the sample to begin with")
    time_budget: float | None = Field(default=None, gt=0, description="s of beamtime")
    dose_budget: float | None = Field(default=None, gt=0, description="s of exposure")
    stop_below: float = Field(default=0.0, ge=0, description="expected novelty below which it stops")
    queue: str | None = Field(default=None, description="queue server, as tcp://host:60615 or http://host:60610")
    plan: str = Field(default="measure", description="plan of the queue server that measures at a position")
    approval: bool = Field(
        default=False, description="the plan measures only what people approved or edited in the catalog, once each"
    )

    @model_validator(mode="after")
    def _some_axes(self) -> Self:
        pair = {"x": self.x, "y": self.y}
        missing = [name for name, given in pair.items() if given is None]
        if missing and not (self.axes and len(missing) == 2):
            raise ValueError(
                f"limits of {' and '.join(missing)} are missing: give x and y, each the lowest and the highest "
                "position in mm, or the axes under [agent.axes]"
            )
        if twice := [name for name, given in pair.items() if given is not None and name in self.axes]:
            raise ValueError(
                f"{' and '.join(twice)} is given twice: leave it out of [agent.axes], or leave it there alone"
            )
        return self

    @model_validator(mode="after")
    def _plan_of_a_queue(self) -> Self:
        if self.queue is None and self.given("plan"):
            raise ValueError(f"the plan {self.plan!r} is run by a queue server: give queue too, or leave it out")
        return self


class PersonSettings(Table):
    """Somebody whom our server knows by a key of their own."""

    key_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the personal key, hexadecimal")
    roles: tuple[Literal["approve"], ...] = Field(default=(), description="what they may do beyond reading and writing")


class ServerSettings(Table):
    """Our own server of a catalog, as `ainerd serve` starts it."""

    people: dict[str, PersonSettings] = Field(
        default={}, description="by name: who may decide about suggestions; where nobody is named, everybody may"
    )

    @model_validator(mode="after")
    def _a_key_each(self) -> Self:
        keys = [each.key_sha256 for each in self.people.values()]
        if twice := sorted(name for name, each in self.people.items() if keys.count(each.key_sha256) > 1):
            raise ValueError(f"{', '.join(twice)} have one key: give each a key of their own")
        return self


class Settings(BaseSettings):
    """Everything that differs from one beamline to the next.

    The environment variable of a setting is `AINERD_` and its name; a dot in the file becomes two underscores
    (`AINERD_BINS__N_BINS=36`).
    """

    model_config = SettingsConfigDict(
        env_prefix="AINERD_", env_nested_delimiter="__", toml_file="ainerd.toml", extra="forbid"
    )

    tiled_uri: str = Field(default="http://127.0.0.1:8000", description="The Tiled server that results go to.")
    tiled_api_key: SecretStr | None = None
    model: Path | None = Field(default=None, description="A latent model; the shipped one where not given.")
    live_port: int = Field(
        default=0, ge=0, le=65535, description="Of the live channel on this machine; 0 for any free port."
    )
    keys: DataKeys = DataKeys()
    movies: MovieSettings = MovieSettings()
    clocks: ClockSettings = ClockSettings()
    geometry: GeometrySettings | None = None
    bins: BinSettings = BinSettings()
    files: FileSettings = FileSettings()
    correlation: CorrelationSettings = CorrelationSettings()
    agent: AgentSettings | None = None
    server: ServerSettings = ServerSettings()

    @property
    def tiled_address(self) -> str:
        """What `tiled.client.from_uri` takes: a secret where there is an API key."""
        key = self.tiled_api_key
        if key is None:
            return self.tiled_uri
        import httpx

        return str(httpx.URL(self.tiled_uri).copy_set_param("api_key", key.get_secret_value()))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
