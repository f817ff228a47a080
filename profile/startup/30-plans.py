"""Plans. Try `RE(explore(8))`, then `read_points(catalog)`."""

from ainerd_agent.agent import BeamtimeCost, NoveltyAgent
from ainerd_agent.agent.plans import novelty_scan
from ainerd_agent.catalog import read_points  # noqa: F401 (for the person at the prompt)
from callbacks import Failure


def explore(n_measurements: int = 8, seed: int = 0):
    """Measure where the agent expects new dynamics."""
    agent = NoveltyAgent(
        experiment.sample.limits,
        BeamtimeCost(speed=10.0, counting=1.0),
        repeatability=live.encoder.repeatability,
        model=live.encoder.name,
        seed=seed,
    )

    def result_of(raw_uid, seq_num):
        outcome = live.callback.outcome(raw_uid, seq_num, timeout=120)
        return None if isinstance(outcome, Failure) else outcome

    return (
        yield from novelty_scan(
            [detector],
            stage.x,
            stage.y,
            agent,
            result_of,
            n_measurements=n_measurements,
            monitors=[rheometer.shear_stress, rheometer.shear_rate, rheometer.viscosity],
            follow=live.writer.record_suggestion,
        )
    )
