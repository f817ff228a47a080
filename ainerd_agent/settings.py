"""Settings of a live analysis: from a TOML file, the environment, and arguments, in that order of rising priority."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class DataKeys(BaseModel):
    """Names under which the event documents carry what the analysis needs.

    The defaults are those of the simulated beamline. Keys that a run does not have are taken as not measured.
    """

    frames: str = "detector"
    frame_time: str = "detector-frame_time"
    saturation: str = "detector-saturation"
    exposure_start: str = "detector-exposure_start"
    x: str = "stage-x"
    y: str = "stage-y"
    shear_stress: str = "rheometer-shear_stress"
    shear_rate: str = "rheometer-shear_rate"
    viscosity: str = "rheometer-viscosity"


class GeometrySettings(BaseModel):
    """Where the detector stands; the simulated beamline brings its own."""

    centre_row: float = Field(description="direct beam, pixels; 0 is the middle of the first row")
    centre_column: float = Field(description="direct beam, pixels; 0 is the middle of the first column")
    distance: float = Field(gt=0, description="m")
    pixel_size: float = Field(default=55e-6, gt=0, description="m")
    wavelength: float = Field(default=0.11271, gt=0, description="nm")


class BinSettings(BaseModel):
    """The part of the detector that is analysed: the paper's by default."""

    q_min: float = Field(default=0.019, gt=0, description="1/nm")
    q_max: float = Field(default=0.029, gt=0, description="1/nm")
    n_bins: int = Field(default=18, ge=1)


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
    keys: DataKeys = DataKeys()
    geometry: GeometrySettings | None = None
    bins: BinSettings = BinSettings()

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
