"""Ways to choose the next place: what people do, packages, formulas of papers, and who knows the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from agent_samples import BUDGET, COST, EXCLUSION, SIDE, Array, Experiment, grid

from ainerd_agent.agent.decision.surrogate import Surrogate

COARSE = 26
"""Candidates along each axis for gpCAM, which takes two seconds for 71."""

Way = Callable[[Experiment, list[Array], int], Iterator[Array]]
"""Gives the next place, after the places so far."""


def raster(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Row by row, to and fro, as many points as the beamtime suffices for."""
    for n in range(15, 1, -1):
        rows = grid(n).reshape(n, n, 2)
        rows[1::2] = rows[1::2, ::-1]
        route = rows.reshape(-1, 2)
        stops = np.concatenate([places[-1][None], route])
        if experiment.seconds + sum(COST(a, b[None])[0] for a, b in pairwise(stops)) <= BUDGET:
            break
    yield from route


def at_random(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Anywhere."""
    rng = np.random.default_rng([seed, 2])
    while True:
        yield rng.uniform(0, SIDE, 2)


def max_min_distance(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """As far as can be from all places so far."""
    candidates = grid(71)
    while True:
        distance = np.linalg.norm(candidates[:, None] - np.array(places)[None], axis=-1).min(axis=1)
        yield candidates[distance.argmax()]


def gp_variance(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Where the same surrogate is the least certain."""
    candidates = grid(71)
    while True:
        surrogate, asked = _learnt(experiment, places, candidates)
        yield candidates[np.square(surrogate.predict(asked).std).sum(axis=1).argmax()]


def _learnt(experiment: Experiment, places: list[Array], candidates: Array) -> tuple[Surrogate, Array]:
    """Our surrogate of what was measured, and the candidates at the time of the next measurement."""
    when = [seconds for seconds, _ in experiment.found]
    known = np.column_stack([np.array(places), when])
    surrogate = Surrogate(SIDE).fit(known, np.array([each.ravel() / 2 for each in experiment.vectors]))
    return surrogate, np.column_stack([candidates, np.full(len(candidates), when[-1] + COST.counting)])


def blox(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Stein novelty of the predicted components against the measured ones (BLOX, Terayama et al. 2020).

    Its code is no package; this is the formula of the paper, with our surrogate for the prediction.
    """
    candidates = grid(71)
    while True:
        surrogate, asked = _learnt(experiment, places, candidates)
        scale = np.maximum(surrogate.measured.std(axis=0)[:2], 1e-9)
        seen, predicted = surrogate.measured[:, :2] / scale, surrogate.predict(asked).mean[:, :2] / scale
        apart = np.square(predicted[:, None] - seen[None]).sum(axis=-1)
        novelty = -((2 - apart) * np.exp(-apart / 2)).sum(axis=1)
        # Where it is 0 for all, far from everything, chance decides; spots are not measured again.
        far = np.linalg.norm(candidates[:, None] - np.array(places)[None], axis=-1).min(axis=1) > EXCLUSION
        yield candidates[np.where(far, novelty, -np.inf).argmax()]


def scientific_value(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Upper confidence bound of a gaussian process of the scientific value (Carbone et al., Matter 2023).

    The value of a measurement is how much it differs from its neighbours, weighed by how near they are. Its code is no
    package; this is the formula of the paper.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    candidates = grid(71)
    while True:
        x, y = np.array(places), np.array([each.ravel() for each in experiment.vectors])
        apart = np.linalg.norm(x[:, None] - x[None], axis=-1)
        near = np.sort(apart + 1e9 * np.eye(len(x)), axis=1)[:, 0].mean()
        value = (np.exp(-np.square(apart / near) / 2) * np.linalg.norm(y[:, None] - y[None], axis=-1)).mean(axis=1)
        value = (value - value.mean()) / max(float(value.std()), 1e-9)
        kernel = ConstantKernel(1.0, (0.1, 10)) * Matern(2.0, (0.3, 20.0), nu=2.5)
        model = GaussianProcessRegressor(kernel, alpha=1e-3, random_state=0).fit(x, value)
        mean, std = model.predict(candidates, return_std=True)
        far = np.linalg.norm(candidates[:, None] - x[None], axis=-1).min(axis=1) > EXCLUSION
        yield candidates[np.where(far, mean + np.sqrt(10.0) * std, -np.inf).argmax()]


def gpcam(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """The package gpCAM: its variance of the first principal component, trained anew every fifth time."""
    import gpcam as package

    candidates = grid(COARSE)
    rounds = 0
    bounds = np.array([[1e-3, 1e3], [SIDE / 50, 2 * SIDE], [SIDE / 50, 2 * SIDE]])
    learnt = np.array([1.0, SIDE / 4, SIDE / 4])
    np.random.seed(seed)  # noqa: NPY002 (the package's own)
    while True:
        x = np.array(places)
        y = _first_component(experiment)
        optimiser = package.GPOptimizer(x, y, init_hyperparameters=learnt, noise_variances=np.full(len(y), 1e-2))
        if rounds % 5 == 0:
            optimiser.train(hyperparameter_bounds=bounds, method="local", max_iter=30)
            learnt = np.clip(optimiser.hyperparameters, bounds[:, 0], bounds[:, 1])
        rounds += 1
        asked = optimiser.ask(list(candidates), n=1, acquisition_function="variance", vectorized=True)
        yield np.asarray(asked["x"])[0]


def botorch(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """The package BoTorch (under Ax): the posterior standard deviation of four components, fitted every fifth time."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    candidates, rounds, state = grid(71), 0, None
    while True:
        x = torch.tensor(np.array(places) / SIDE)
        y = torch.tensor(_components(experiment))
        model = SingleTaskGP(x, (y - y.mean(0)) / y.std(0).clamp_min(1e-9))
        if state is not None:
            model.load_state_dict(state, strict=False)
        if rounds % 5 == 0:
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            state = {
                name: value for name, value in model.state_dict().items() if "covar_module" in name or "noise" in name
            }
        rounds += 1
        with torch.no_grad():
            variance = model.posterior(torch.tensor(candidates / SIDE)[:, None]).variance[:, 0]
            variance = (variance * y.var(0)).sum(-1)
        yield candidates[int(variance.argmax())]


def _components(experiment: Experiment) -> Array:
    vectors = np.array([each.ravel() / 2 for each in experiment.vectors], dtype=np.float64)
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(left[:, :4] * sizes[:4])


def _first_component(experiment: Experiment) -> Array:
    first = _components(experiment)[:, 0]
    return np.asarray(first / max(float(first.std()), 1e-9))


def oracle(experiment: Experiment, places: list[Array], seed: int) -> Iterator[Array]:
    """Knows the truth: to the nearest place with dynamics that were not found yet."""
    candidates = grid(71)
    while True:
        cost = COST(places[-1], candidates)
        states = experiment.landscape.at(candidates, experiment.seconds + cost)
        fresh = ~np.isin(states, [state for _, state in experiment.found])
        yield candidates[np.where(fresh, cost, cost + 1e3).argmin()]


WAYS: dict[str, Way | None] = {
    "agent, coverage": None,
    "agent, novelty": None,
    "raster grid": raster,
    "random": at_random,
    "max-min distance": max_min_distance,
    "GP variance": gp_variance,
    "BLOX": blox,
    "scientific value": scientific_value,
    "gpCAM": gpcam,
    "BoTorch": botorch,
    "oracle": oracle,
}
PACKAGES = {"gpCAM": "gpcam", "BoTorch": "botorch"}
"""Ways that need a package of the extra bench; they are left out where it is not installed."""
