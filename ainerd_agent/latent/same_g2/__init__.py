"""Dynamics of one g2 that differ in what happens at which age, and whether a latent space tells them apart.

An average over ages, such as g2, cannot see non-equilibrium. Here pairs of dynamics are made whose g2 is the same, and
each side is measured anew at several levels of noise. A latent space that sees ages has the two sides farther apart
than repeats of one side: the figure is the AUC of distances between the sides against those within them, 1 at best.
Both sides with the same dynamics make the null, which is 0.5 for any representation.

Nothing here is shared with `ainerd_agent.scattering.simulation`, which models are trained on: a model that only knows
its training by heart fails, and so does one that makes use of an error of the simulator.
"""

from ainerd_agent.latent.same_g2.dynamics import Side, g2_of, truth_of
from ainerd_agent.latent.same_g2.measurement import Level, measure, random_level
from ainerd_agent.latent.same_g2.pairs import KINDS, NULL, Kind, Pair, draw_pair, draw_sides
from ainerd_agent.latent.same_g2.score import KindScore, Representation, SameG2, Trial, auc, auc_of_pair, score, trials
from ainerd_agent.latent.same_g2.twins import reversed_in_time, stationary_twin

__all__ = [
    "KINDS",
    "NULL",
    "Kind",
    "KindScore",
    "Level",
    "Pair",
    "Representation",
    "SameG2",
    "Side",
    "Trial",
    "auc",
    "auc_of_pair",
    "draw_pair",
    "draw_sides",
    "g2_of",
    "measure",
    "random_level",
    "reversed_in_time",
    "score",
    "stationary_twin",
    "trials",
    "truth_of",
]
