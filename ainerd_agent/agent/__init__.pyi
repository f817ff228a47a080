"""Where each name of this room is defined. It is imported when it is first used."""

from .decision.acquisition import BeamtimeCost as BeamtimeCost
from .decision.goals import Alike as Alike
from .decision.goals import Boundary as Boundary
from .decision.goals import Coverage as Coverage
from .decision.goals import Novelty as Novelty
from .lifecycle.restore import restored as restored
from .limits import Disc as Disc
from .limits import LimitError as LimitError
from .limits import Limits as Limits
from .limits import Rectangle as Rectangle
from .protocol import Agent as Agent
from .protocol import NoSuggestionError as NoSuggestionError
from .runners.adaptive import NoveltyOptimizer as NoveltyOptimizer
from .runners.plans import measure_at as measure_at
from .runners.plans import novelty_scan as novelty_scan
from .runners.queue import QueueRunner as QueueRunner
from .runners.queue_server import QueueServer as QueueServer
from .strategies.novelty import NoveltyAgent as NoveltyAgent
from .strategies.short_first import ShortFirst as ShortFirst
from .strategies.spot import SpotAgent as SpotAgent
