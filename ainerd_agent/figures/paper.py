"""The figures of the AI-NERD paper, the map of a run, and one of its measurements over age and lag.

Each is a function of the data that it is drawn from. A figure that needs what the data do not have raises
`MissingError`. What is drawn at random depends on the seed alone, and not on which other figures are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA

from ainerd_agent.figures import galleries, latents
from ainerd_agent.figures.age_lag import AgedMeasurement, age_lag_figure, title_of
from ainerd_agent.figures.convergence import Convergence, convergence_figure
from ainerd_agent.figures.data import FigureData, MissingError
from ainerd_agent.figures.latent_embedding import embedding as plain_embedding
from ainerd_agent.figures.sample_positions import sample_map as map_of_places
from ainerd_agent.figures.time_scales import ScaledMeasurement, time_scales_figure
from ainerd_agent.latent import Encoder
from ainerd_agent.latent.atlas.neighbours import NeighbourIndex
from ainerd_agent.latent.scaling import CLIP
from ainerd_agent.latent.stability import choose, try_numbers
from ainerd_agent.records import MapStack

RECONSTRUCTIONS, GENERATED_MAPS = 8, 18
"""Maps in a gallery."""

GALLERY_TARGETS, GALLERY_NEIGHBOURS = 4, 4
DIRECTION_NEIGHBOURS = 30
"""Neighbours whose directions are counted."""

COMPARED_NEIGHBOURS = (1, 2, 5, 10, 20, 50)
"""Numbers of neighbours among which those that are alike are counted."""

CLUSTER_NUMBERS = range(2, 13)
CLUSTERED_POINTS, CLUSTERING_SEEDS = 2000, 5
"""Points at most, and seeds, that the number of clusters is tried on."""

MOMENTS = (0.05, 0.4, 0.95)
"""Where in the measurement the embedding is shown by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """What some of the figures need beside the data.

    Attributes
    ----------
    flow_azimuth : float
        Direction of the flow on the detector, degrees.
    moments : sequence of float
        Times (s) to draw the embedding at; three of the measurement where there are none.
    axes : sequence of str
        One or two of a run, for the map of the sample; by default those that moved.
    trained : mapping of str to (dimensions, mean squared errors)
        Models of several lengths of the latent vector, to be drawn beside principal components.
    bin : int, optional
        Of the measurement, for its time scales; the one with the least noise by default.
    seed : int
        Of what is drawn at random.
    """

    flow_azimuth: float = 90.0
    moments: Sequence[float] = ()
    axes: Sequence[str] = ()
    trained: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None
    bin: int | None = None
    seed: int = 0


def draw(name: str, encoder: Encoder, data: FigureData, options: PaperOptions | None = None) -> Figure:
    """Draw the figure of this name, one of `FIGURES`.

    Raises
    ------
    MissingError
        The data lack what the figure needs.
    """
    return FIGURES[name](encoder, data, options or PaperOptions())


def reconstructions(encoder: Encoder, data: FigureData) -> Figure:
    """Maps over what the latent vectors keep of them, evenly from the most to the least faithful (S1)."""
    maps = data.known_maps()
    decoded = encoder.decode(data.latents)
    error = np.mean((decoded - maps.clip(*CLIP)) ** 2, axis=(1, 2))
    chosen = np.argsort(error)[np.linspace(0, len(maps) - 1, min(RECONSTRUCTIONS, len(maps))).astype(int)]
    return galleries.reconstructions(maps[chosen], decoded[chosen], error[chosen], duration=data.durations()[chosen])


def generated(encoder: Encoder, data: FigureData, *, seed: int = 0) -> Figure:
    """Maps decoded from real latents with noise of their own spread (the paper's generative check)."""
    data.known_maps()  # latents without maps may be of another model, which alone can decode them
    rng = np.random.default_rng(seed)
    # Noise of one standard deviation of the latents, with their own covariance, around a real one.
    centres = data.latents[rng.choice(len(data), GENERATED_MAPS)]
    noise = rng.multivariate_normal(np.zeros(centres.shape[1]), np.cov(data.latents.T), GENERATED_MAPS)
    return galleries.generated(encoder.decode(centres + noise / np.sqrt(centres.shape[1])))


def clusters(data: FigureData, *, seed: int = 0) -> Figure:
    """Distortion, silhouette and agreement between seeds against the number of clusters (S3)."""
    chosen = np.random.default_rng(seed).permutation(len(data))[:CLUSTERED_POINTS]
    numbers = [number for number in CLUSTER_NUMBERS if number < len(chosen)]
    trials = try_numbers(data.latents[chosen], numbers, seeds=CLUSTERING_SEEDS)
    return latents.number_of_clusters(trials, choose(trials).n_clusters)


def embedding(encoder: Encoder, data: FigureData) -> Figure:
    """The latent space by cluster (2), with the map nearest to each centre where there are maps."""
    if data.maps is None:
        return plain_embedding(data.embedding(), data.cluster, n_clusters=data.n_clusters)
    _, distance = encoder.clusters.predict(data.latents)
    present = np.unique(data.cluster)
    examples = np.array([np.where(data.cluster == number, distance, np.inf).argmin() for number in present])
    return latents.embedding_with_examples(
        data.embedding(), data.cluster, data.maps[examples], examples, n_clusters=data.n_clusters
    )


def neighbours(data: FigureData, *, seed: int = 0) -> Figure:
    """Targets with their nearest neighbours, by latent and by raw distance (4, S6)."""
    maps = data.known_maps()
    targets = _far_apart(data.latents, GALLERY_TARGETS, np.random.default_rng(seed))
    found, durations = [], []
    for name, vectors in (("latent", data.latents), ("raw", _pixels(maps))):
        nearest, _ = NeighbourIndex(vectors).nearest(vectors[targets], GALLERY_NEIGHBOURS + 1)
        found.append((name, maps[nearest[:, 1:]]))
        durations.append(data.durations()[nearest[:, 1:]])
    return galleries.nearest_maps(maps[targets], found, duration=data.durations()[targets], durations=durations)


def directions(data: FigureData, *, flow_azimuth: float = 90.0) -> Figure:
    """The share of the flow direction among the neighbours of each point (S4)."""
    if data.azimuth is None or len(np.unique(data.azimuth[np.isfinite(data.azimuth)])) < 4:
        raise MissingError("the azimuth of the maps is not known")
    along = np.abs(np.cos(np.radians(data.azimuth - flow_azimuth)))
    flow, vorticity = along > np.cos(np.pi / 6), along < np.cos(np.pi / 3)
    k = min(DIRECTION_NEIGHBOURS, len(data) - 1)
    nearest = NeighbourIndex(data.latents).nearest(data.latents, k + 1)[0][:, 1:]
    flows, both = flow[nearest].sum(axis=1), (flow | vorticity)[nearest].sum(axis=1)
    share = np.divide(flows, both, out=np.full(len(both), np.nan), where=both > 0)
    return latents.direction_share(data.embedding(), share, float(flow.sum() / max(1, (flow | vorticity).sum())))


def comparison(data: FigureData) -> Figure:
    """How many of the nearest neighbours are alike, by latent and by raw distance (S7)."""
    maps, label = data.known_maps(), data.label
    if label is None:
        raise MissingError("nothing says which maps are alike (a column series)")
    numbers = [number for number in COMPARED_NEIGHBOURS if number < len(maps)]
    shares = {}
    for name, vectors in (("latent distance", data.latents), ("raw maps", _pixels(maps))):
        nearest = NeighbourIndex(vectors).nearest(vectors, numbers[-1] + 1)[0][:, 1:]
        alike = label[nearest] == label[:, None]
        shares[name] = [float(alike[:, :number].mean()) for number in numbers]
    return latents.latent_against_raw(numbers, shares)


def dimensions(data: FigureData, *, trained: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None) -> Figure:
    """Error against the number of principal components, on the other half of the maps, and of trained models (S9)."""
    pixels = _pixels(data.known_maps())
    half = len(pixels) // 2
    numbers = [2**power for power in range(1, 11) if 2**power <= min(half, pixels.shape[1])]
    model = PCA(numbers[-1], svd_solver="randomized", random_state=0).fit(pixels[:half])
    rest = pixels[half:] - model.mean_
    weights = rest @ model.components_.T
    total = (rest**2).sum(axis=1)
    kept = np.cumsum(weights**2, axis=1)
    errors = [float((total - kept[:, number - 1]).mean() / pixels.shape[1]) for number in numbers]
    curves: dict[str, tuple[ArrayLike, ArrayLike]] = {"principal components, other half of the maps": (numbers, errors)}
    return latents.error_against_dimension(curves | dict(trained or {}))


def times(data: FigureData, *, moments: Sequence[float] = ()) -> Figure:
    """Where the maps of some moments (s) lie in the embedding (3D)."""
    if data.time is None or len(known := np.unique(data.time)) < 3:
        raise MissingError("the times of the maps are not known, or fewer than three")
    chosen = list(moments) or [float(known[int(share * (len(known) - 1))]) for share in MOMENTS]
    return latents.embedding_at_times(data.embedding(), data.time, data.cluster, chosen, n_clusters=data.n_clusters)


def sample_map(data: FigureData, *, axes: Sequence[str] = ()) -> Figure:
    """Where on the sample a run was measured, in which order, and what was found there."""
    if data.places is None:
        raise MissingError(
            "it shows where one run of a catalog was measured: give --catalog, and --run if it has several"
        )
    return map_of_places(data.places, data.n_clusters, axes=axes)


def age_lag(data: FigureData) -> Figure:
    """The correlation of one measurement over age and lag, with the relaxation time at each age."""
    if data.fingerprints is None:
        raise MissingError("it shows one measurement of a catalog: give --catalog, and --run if it has several")
    return age_lag_figure(AgedMeasurement.of(data.fingerprints, sigma=data.sigma))


def timescales(encoder: Encoder, data: FigureData, *, bin: int | None = None, seed: int = 0) -> Figure:
    """One map, and what its crops look like at several time scales."""
    if data.fingerprints is None:
        raise MissingError("it shows one measurement of a catalog: give --catalog, and --run if it has several")
    return time_scales_figure(ScaledMeasurement.of(encoder, data.fingerprints, bin, seed=seed))


def convergence(data: FigureData, *, bin: int | None = None) -> Figure:
    """How g2 of one measurement, and its relaxation time, became known while it was counted."""
    if data.fingerprints is None:
        raise MissingError("it shows one measurement of a catalog: give --catalog, and --run if it has several")
    measured = data.fingerprints
    if measured.age_lag is None or not np.isfinite(measured.age_lag.errors).any():
        raise MissingError("this measurement was not correlated over age and lag from its frames")
    if bin is not None and bin > len(measured.bins):
        raise MissingError(f"there is no bin {bin}: the measurement has {len(measured.bins)}")
    return convergence_figure(Convergence.of(measured.age_lag, measured.duration), bin, title=title_of(measured.origin))


def _far_apart(vectors: NDArray[np.float32], count: int, rng: np.random.Generator) -> list[int]:
    """Numbers of points far apart from each other: each among the farthest from those before."""
    chosen = [int(rng.integers(len(vectors)))]
    while len(chosen) < min(count, len(vectors)):
        apart = np.linalg.norm(vectors[:, None] - vectors[chosen][None], axis=2).min(axis=1)
        chosen.append(int(np.argsort(apart)[int(0.95 * len(apart))]))  # not the outliers
    return chosen


def _pixels(maps: MapStack) -> NDArray[np.float32]:
    """Raw maps as vectors, one value of sixteen; (n, 4096)."""
    return maps[:, ::4, ::4].reshape(len(maps), -1)


FIGURES: Mapping[str, Callable[[Encoder, FigureData, PaperOptions], Figure]] = {
    "sample-map": lambda _, data, options: sample_map(data, axes=options.axes),
    "age-lag": lambda _, data, __: age_lag(data),
    "convergence": lambda _, data, options: convergence(data, bin=options.bin),
    "timescales": lambda encoder, data, options: timescales(encoder, data, bin=options.bin, seed=options.seed),
    "reconstructions": lambda encoder, data, _: reconstructions(encoder, data),
    "generated": lambda encoder, data, options: generated(encoder, data, seed=options.seed),
    "clusters": lambda _, data, options: clusters(data, seed=options.seed),
    "embedding": lambda encoder, data, _: embedding(encoder, data),
    "neighbours": lambda _, data, options: neighbours(data, seed=options.seed),
    "directions": lambda _, data, options: directions(data, flow_azimuth=options.flow_azimuth),
    "comparison": lambda _, data, options: comparison(data),
    "dimensions": lambda _, data, options: dimensions(data, trained=options.trained),
    "times": lambda _, data, options: times(data, moments=options.moments),
}
"""How each figure is drawn, by its name."""
