"""Where each name of this room is defined. It is imported when it is first used."""

from .decision.acquisition import BeamtimeCost as BeamtimeCost
from .decision.goals import Alike as Alike
from .decision.goals import Boundary as Boundary
from .decision.goals import Coverage as Coverage
from .decision.goals import Novelty as Novelty
from .lifecycle.restore import restored as restored
from .limits import Limits as Limits
from .protocol import Agent as Agent
from .protocol import NoSuggestionError as NoSuggestionError
from .regions import Ball as Ball
from .regions import Box as Box
from .regions import Disc as Disc
from .regions import Rectangle as Rectangle
from .runners.adaptive import NoveltyOptimizer as NoveltyOptimizer
from .runners.plans import measure_at as measure_at
from .runners.plans import novelty_scan as novelty_scan
from .runners.queue import QueueRunner as QueueRunner
from .runners.queue_server import QueueServer as QueueServer
from .samples import Sample as Sample
from .space import Axis as Axis
from .space import LimitError as LimitError
from .space import Space as Space
from .strategies.novelty import NoveltyAgent as NoveltyAgent
from .strategies.short_first import ShortFirst as ShortFirst
from .strategies.spot import SpotAgent as SpotAgent
