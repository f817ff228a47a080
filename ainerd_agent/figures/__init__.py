"""The figures a person looks at. Each function takes plain arrays or a record of them, and returns a Figure."""

from ainerd_agent.figures.age_lag import AgedMeasurement, age_lag_figure
from ainerd_agent.figures.bad_pixels import bad_pixel_map
from ainerd_agent.figures.kinds import kinds_over_time
from ainerd_agent.figures.latent_embedding import embedding
from ainerd_agent.figures.maps import c2_examples
from ainerd_agent.figures.places import Places
from ainerd_agent.figures.sample_positions import sample_map
from ainerd_agent.figures.stress_links import links_figure
from ainerd_agent.figures.style import cluster_colours, save
from ainerd_agent.figures.time_evolution import azimuth_time, clusters_and_stress, relation_figure
from ainerd_agent.figures.time_scales import ScaledMeasurement, time_scales_figure

__all__ = [
    "AgedMeasurement",
    "Places",
    "ScaledMeasurement",
    "age_lag_figure",
    "azimuth_time",
    "bad_pixel_map",
    "c2_examples",
    "cluster_colours",
    "clusters_and_stress",
    "embedding",
    "kinds_over_time",
    "links_figure",
    "relation_figure",
    "sample_map",
    "save",
    "time_scales_figure",
]
