"""What forecasters have in common: the newest sample is foreseen from the ones before it; the error is the score.

Owns the error, the readout and the training step. Leaves to each model what it knows of the past (`states`).
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from .base import Hyper, Learner, Scorer


class Forecaster(Scorer):
    """One-step forecaster: `states` sums up the past, `output` names the next sample; error = squared difference.

    Parameters
    ----------
    window, channels : int
        W (at least 2) and C.
    hyper : Hyper
    reach : int, optional
        Samples of the past a forecast depends on; by default all, W-1.
    warm_up : int
        States at the start of a window that are not learned from, because they know too little of the past.

    Raises
    ------
    ValueError
        The window is shorter than two samples.
    """

    output: nn.Linear  # state (F) -> next sample (C)

    def __init__(self, window: int, channels: int, hyper: Hyper, *, reach: int | None = None, warm_up: int = 0) -> None:
        super().__init__(window, channels)
        if window < 2:
            raise ValueError(f"prepare.window is {window}; a forecaster needs at least 2 samples")
        self.hyper = hyper
        self.reach = window - 1 if reach is None else reach
        self.warm_up = warm_up

    @abstractmethod
    def states(self, past: Tensor) -> Tensor:
        """Past (B, T, C), T >= `reach` -> states (B, n, F): what is known after each of the last n samples of it."""

    def errors(self, z: Tensor) -> Tensor:
        """Squared forecast error (B, C) of the last sample of z (B, W, C)."""
        states = self.states(z[:, -1 - self.reach : -1])  # (B, n, F)
        difference = self.output(states[:, -1]) - z[:, -1]
        return difference * difference

    def learner(self) -> Learner:
        """The optimiser."""
        return ForecastLearner(self)


class ForecastLearner(Learner):
    """One step of squared forecast error over every sample of the windows that has a state before it."""

    def __init__(self, model: Forecaster) -> None:
        self.model = model
        self.optimiser, self.rate = model.hyper.adam(model.parameters())

    def step(self, z: Tensor) -> dict[str, float]:
        """Learn from z (B, W, C): loss `forecast`."""
        states = self.model.states(z[:, :-1])[:, self.model.warm_up :]
        difference = self.model.output(states) - z[:, -states.shape[1] :]
        loss = (difference * difference).mean()
        self.optimiser.zero_grad()
        loss.backward()
        # A recurrent net's gradient can explode on a jump in the data; the norm rarely comes near 1 otherwise.
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.rate.step()
        return {"forecast": loss.item()}
