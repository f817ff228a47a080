"""Where to measure next: limits, strategies that choose, the life of a suggestion, and what carries it out.

Who chooses the next position: a strategy (`strategies/`; the default is `NoveltyAgent`), through `decision/choice.py`,
which weighs places by a goal and their cost. Who
carries it out, and tells the strategy what was found: `runners/`.
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
