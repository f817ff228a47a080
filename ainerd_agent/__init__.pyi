"""Where each name of the front door is defined. It is imported when it is first used."""

from . import figures as figures
from ._version import __version__ as __version__
from .agent import Limits as Limits
from .agent import NoveltyAgent as NoveltyAgent
from .catalog import Catalog as Catalog
from .catalog import connect as connect
from .catalog import open_catalog as open_catalog
from .latent import Atlas as Atlas
from .latent import Encoder as Encoder
from .scattering import Geometry as Geometry
from .scattering import HDF5Frames as HDF5Frames
from .scattering import Normalisation as Normalisation
from .scattering import PoniGeometry as PoniGeometry
from .scattering import TwoTimeStream as TwoTimeStream
from .scattering import age_lag_of_maps as age_lag_of_maps
from .scattering import azimuthal_bins as azimuthal_bins
from .scattering import fingerprint as fingerprint
from .scattering import two_time as two_time
from .settings import Settings as Settings
from .workflows.evaluate import evaluate as evaluate
from .workflows.ingest import ingest as ingest
from .workflows.live import live_analysis as live_analysis
from .workflows.replay import replay as replay
from .workflows.reprocess import reprocess as reprocess
from .workflows.train import train as train
