"""From sample position to latents: what has been measured, and what is expected elsewhere."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from ainerd_agent.records import FloatArray

N_COMPONENTS = 4
"""Principal components of the latents that are modelled; more hold noise as long as measurements are few."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Gaussian prediction of the components, per candidate.

    Attributes
    ----------
    mean, std : ndarray, shape (n_candidates, n_components)
    """

    mean: FloatArray
    std: FloatArray


class Surrogate:
    """Independent gaussian processes from (x, y) to the principal components of the measurements' latents.

    The components keep the scale of the latents: a distance between components is a distance between latents.
    Hyperparameters maximise the marginal likelihood, with length scales between a twentieth and twice the sample.

    Parameters
    ----------
    extent : float
        Length of the sample, mm.
    seed : int
    """

    def __init__(self, extent: float, seed: int) -> None:
        self._extent = extent
        self._seed = seed
        self.archive: FloatArray = np.empty((0, 0))

    def fit(self, positions: FloatArray, latents: NDArray[np.float32]) -> Surrogate:
        """Learn from measurements.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            mm.
        latents : ndarray, shape (n, n_features)
            One vector a measurement: those of all its azimuthal bins, so that anisotropy counts.
        """
        centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
        left, singular, _ = np.linalg.svd(centred, full_matrices=False)
        self.archive = (left * singular)[:, :N_COMPONENTS]
        self._processes = []
        for component in self.archive.T:
            kernel = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
                self._extent / 4, (self._extent / 20, self._extent * 2), nu=2.5
            ) + WhiteKernel(1e-2, (1e-4, 1.0))
            process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=self._seed)
            with warnings.catch_warnings():
                # A hyperparameter at its bound is what the bound is for.
                warnings.simplefilter("ignore", ConvergenceWarning)
                process.fit(positions, component)
            self._processes.append(process)
        return self

    def predict(self, positions: FloatArray) -> Prediction:
        """Predict the components at positions (n, 2) in mm."""
        predicted = [process.predict(positions, return_std=True) for process in self._processes]
        return Prediction(np.stack([mean for mean, _ in predicted], 1), np.stack([std for _, std in predicted], 1))
