"""How the embedded server opens files: with Tiled's adapters, given only what was resolved and lies inside.

Tiled takes an adapter by the format of the data. Ours stand in front of them, one for each format, so every read and
write of the server passes here, whatever route it came by, and also what an older server registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tiled.mimetypes import DEFAULT_ADAPTERS_BY_MIMETYPE
from tiled.utils import path_from_uri

from ainerd_agent.catalog.server._confinement import EXTERNAL, RefusedError, SessionFolders, check_members
from ainerd_agent.catalog.server._hdf5_confinement import Hdf5References

Check = Callable[[Sequence[Path], Any, SessionFolders], None]
Opener = Callable[[Path, Any, Any], Any]

TABLES = "application/x-tiled-sql-table"


@dataclass(frozen=True)
class Format:
    """What may be asked of the adapter for one format.

    Parameters
    ----------
    parameters : frozenset of str
        The only ones that it may be given: others can name files.
    folder : bool
        Its data are a folder, not files.
    check : callable, optional
        Refuses files that name other files outside.
    opener : callable, optional
        Opens it in place of Tiled's adapter.
    """

    parameters: frozenset[str] = frozenset()
    folder: bool = False
    check: Check | None = None
    opener: Opener | None = None


class ConfinedAdapter:
    """Stands for Tiled's adapter for one format, and is given only files inside the folders of the session."""

    def __init__(self, mimetype: str, folders: SessionFolders, adapter: Any = None) -> None:
        self._mimetype = mimetype
        self._folders = folders
        self._given = adapter
        self._format = FORMATS.get(mimetype)

    @property
    def supports_lazy_assets(self) -> bool:
        """As Tiled asks before it reads a part of a sequence of files."""
        return self._format is not None and getattr(self._adapter, "supports_lazy_assets", False)

    def file_indices_for_slice(self, *args: Any, **options: Any) -> Any:
        """Which files of a sequence a slice needs."""
        return self._adapter.file_indices_for_slice(*args, **options)

    def from_catalog(self, data_source: Any, node: Any, /, **parameters: Any) -> Any:
        """An adapter for data in the catalog. Raises RefusedError."""
        self.check_parameters(data_source)
        confined = self._confined(data_source)
        # A part of a sequence, as Tiled found it among the assets: those it does not need are None.
        if "data_uris" in parameters:
            parameters["data_uris"] = [
                None if uri is None else self._folders.confined(uri, data_source.management)
                for uri in parameters["data_uris"]
            ]
            self._check([path_from_uri(uri) for uri in parameters["data_uris"] if uri is not None], data_source)
        self._check([path_from_uri(each.data_uri) for each in confined.assets if _is_file(each)], data_source)
        if self._format is not None and self._format.opener is not None:
            return self._format.opener(path_from_uri(confined.assets[0].data_uri), confined, node)
        return self._adapter.from_catalog(confined, node, **parameters)

    def from_uris(self, *uris: str, **parameters: Any) -> Any:
        """An adapter for files of a detector, as the validation of runs asks for. Raises RefusedError."""
        confined = [self._folders.confined(uri, EXTERNAL) for uri in uris]
        paths = [path_from_uri(uri) for uri in confined]
        for path in paths:
            check_members(path)
        self._check(paths, _Unregistered(parameters))
        return self._adapter.from_uris(*confined, **parameters)

    def validate_data_source(self, data_source: Any, fix_errors: bool = False) -> tuple[Any, list[str]]:
        """What the validation of runs asks first; it reports the refusal as a fault of the run."""
        from bluesky_tiled_plugins.writing.validator import AssetValidationException

        try:
            self.check_parameters(data_source)
            self._confined(data_source)
        except RefusedError as error:
            raise AssetValidationException(error.detail) from error
        return data_source.model_copy(deep=True), []

    def check_parameters(self, data_source: Any) -> None:
        """Check how the data are to be read. Raises RefusedError."""
        known = _format(self._format).parameters
        for name in data_source.parameters:
            if name not in known:
                raise RefusedError(f"Data of this format are read here without the parameter {name!r}.", 422)

    @property
    def _adapter(self) -> Any:
        return self._given or DEFAULT_ADAPTERS_BY_MIMETYPE[self._mimetype]

    def _confined(self, data_source: Any) -> Any:
        assets = [
            each.model_copy(update={"data_uri": self._folders.confined(each.data_uri, data_source.management)})
            for each in data_source.assets
        ]
        return data_source.model_copy(update={"assets": assets})

    def _check(self, paths: Sequence[Path], data_source: Any) -> None:
        form = _format(self._format)
        for path in paths:
            if path.exists() and path.is_dir() != form.folder:
                raise RefusedError("Data of this format are not a folder." if path.is_dir() else "This is no folder.")
        if form.check is not None:
            form.check(paths, data_source, self._folders)


@dataclass(frozen=True)
class _Unregistered:
    parameters: Mapping[str, Any]
    structure: Any = None


def confined_adapters(folders: SessionFolders, given: Mapping[str, Any]) -> dict[str, ConfinedAdapter]:
    """One for each format that Tiled knows; `given` are adapters in place of Tiled's own."""
    return {name: ConfinedAdapter(name, folders, given.get(name)) for name in DEFAULT_ADAPTERS_BY_MIMETYPE}


def _format(known: Format | None) -> Format:
    if known is None:
        raise RefusedError("Data of this format are not read by this server.", 415)
    return known


def _is_file(asset: Any) -> bool:
    return bool(asset.data_uri.startswith("file:"))


def _check_hdf5(paths: Sequence[Path], data_source: Any, folders: SessionFolders) -> None:
    given = data_source.parameters
    name = given.get("dataset") or "/"
    options = {each: given[each] for each in ("swmr", "libver", "locking") if each in given}
    with closing(Hdf5References(folders.frames, {"libver": "latest", **options})) as references:
        for path in paths:
            if path.exists():
                references.check(path, name if isinstance(name, str) else "/".join(name))


def _check_netcdf(paths: Sequence[Path], data_source: Any, folders: SessionFolders) -> None:
    import h5py

    with closing(Hdf5References(folders.frames, {})) as references:
        for path in filter(h5py.is_hdf5, paths):
            references.check(path, "/")


def _check_tiff(paths: Sequence[Path], data_source: Any, folders: SessionFolders) -> None:
    """OME and Micro-Manager spread an image over files, which they name."""
    import tifffile

    for path in filter(Path.exists, paths):
        with tifffile.TiffFile(path) as file:
            named = file.is_mmstack or file.is_ndtiff
            if file.is_ome and not named:
                tags = ElementTree.fromstring(file.ome_metadata or "<none/>").iter()  # noqa: S314 (as tifffile reads it)
                named = any(tag.get("FileName", path.name) != path.name for tag in tags)
        if named:
            raise RefusedError("This TIFF file names other files: it is not read here.")


def _check_jpeg(paths: Sequence[Path], data_source: Any, folders: SessionFolders) -> None:
    """Pillow would open any format, also programs in PostScript."""
    for path in filter(Path.exists, paths):
        with path.open("rb") as file:
            if file.read(2) != b"\xff\xd8":
                raise RefusedError("This is no JPEG file.", 422)


def _check_parquet(paths: Sequence[Path], data_source: Any, folders: SessionFolders) -> None:
    if any(path.name.startswith("_") for path in paths):
        raise RefusedError("This file may name other Parquet files: it is not read here.")


def _check_table(paths: Sequence[Path], data_source: Any, folders: SessionFolders) -> None:
    """What Tiled puts into its SQL as it stands."""
    from tiled.adapters.sql import COLUMN_NAME_PATTERN, TABLE_NAME_PATTERN, is_safe_identifier

    if any(asset.data_uri != folders.tables for asset in data_source.assets):
        raise RefusedError("Tables are read from the database of the session only.")
    is_safe_identifier(str(data_source.parameters.get("table_name")), TABLE_NAME_PATTERN)
    if not isinstance(data_source.parameters.get("dataset_id"), int):
        raise RefusedError("The dataset_id of a table is a whole number.", 422)
    for column in getattr(data_source.structure, "columns", ()):
        is_safe_identifier(column, COLUMN_NAME_PATTERN)


def _open_zarr(path: Path, data_source: Any, node: Any) -> Any:
    from ainerd_agent.catalog.server._confined_stores import open_zarr

    return open_zarr(path, data_source, node)


def _open_awkward(path: Path, data_source: Any, node: Any) -> Any:
    from ainerd_agent.catalog.server._confined_stores import open_awkward

    return open_awkward(path, data_source, node)


_CSV = Format(
    frozenset(
        {"assume_missing", "comment", "delimiter", "dtype", "encoding", "header", "names", "nrows", "sep", "skipfooter"}
        | {"skiprows", "usecols"}
    )
)
_TIFF = Format(check=_check_tiff)
_JPEG = Format(check=_check_jpeg)
_SQL = Format(frozenset({"table_name", "dataset_id", "order_by_args", "primary_key"}), check=_check_table)

FORMATS = {
    "application/octet-stream": Format(),
    "application/x-hdf5": Format(
        frozenset({"dataset", "slice", "squeeze", "swmr", "libver", "locking"}), check=_check_hdf5
    ),
    "application/x-netcdf": Format(check=_check_netcdf),
    "application/x-npy": Format(),
    "multipart/related;type=application/x-npy": Format(),
    "image/tiff": _TIFF,
    "multipart/related;type=image/tiff": _TIFF,
    "image/jpeg": _JPEG,
    "multipart/related;type=image/jpeg": _JPEG,
    "text/csv": _CSV,
    "multipart/related;type=text/csv": _CSV,
    "text/csv;header=present": _CSV,
    "text/csv;header=absent": _CSV,
    "application/x-parquet": Format(check=_check_parquet),
    "application/x-parquet;structure=sparse": Format(check=_check_parquet),
    "application/vnd.apache.arrow.file": Format(),
    "application/x-zarr": Format(folder=True, opener=_open_zarr),
    "application/x-awkward-buffers": Format(folder=True, opener=_open_awkward),
    TABLES: _SQL,
    "application/x-ragged+sql": _SQL,
}
"""What is read here. Spreadsheets, which Tiled knows too, are not: pandas opens them by address, not by path."""
