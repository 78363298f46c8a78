"""The adversarial training that USAD and TranAD share: a first net is followed by a second, which tries to expose it.

Owns the two opposed losses, their growth over the epochs and the two optimisers. What the phases compute is each
model's business.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .base import Hyper, Learner

TINY = 1e-30
"""Below any error that means something; on constant data errors reach 0, which has no logarithm."""


class TwoPhaseLearner(Learner):
    """One adversarial step of two nets, each with its own optimiser; they may share layers.

    With e1 and e2 the errors of the two on data, e12 that of the second after the first, and a weight a that grows by
    epochs n as ``adversarial * (1 - 1/n)``::

        first minimises   (1 - a) e1 + a e12
        second minimises  (1 - a) e2 - a e2' log(e2' + e12)      e2' is e2, held constant

    In the papers the second minimises ``(1 - a) e2 - a e12`` with a going to 1. Nothing bounds that from below: given
    time, the second net blows up. The logarithm has the same gradient, times e2' / (e2' + e12): it pulls as hard while
    the two errors are alike, and lets go where the second net is already much worse.

    Parameters
    ----------
    hyper : Hyper
    adversarial : float
        What a grows to; below 1.
    first, second : iterable of Parameter
        What each net may change.

    Raises
    ------
    ValueError
        `adversarial` is not below 1.
    """

    def __init__(
        self, hyper: Hyper, adversarial: float, first: Iterable[nn.Parameter], second: Iterable[nn.Parameter]
    ) -> None:
        if not adversarial < 1:
            raise ValueError(f"train.hyper.adversarial is {adversarial}; it must be below 1")
        self.hyper, self.adversarial = hyper, adversarial
        self.first, self.second = list(first), list(second)
        self.first_optimiser, first_rate = hyper.adam(self.first)
        self.second_optimiser, second_rate = hyper.adam(self.second)
        self.rates = [first_rate, second_rate]
        self.steps = 0

    @abstractmethod
    def phases(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows z (B, W, C) -> mean squared errors: of the first, of the second, of the second after the first."""

    def share(self) -> float:
        """The weight a of the epoch that the next step belongs to."""
        return self.adversarial * (1 - 1 / (1 + self.steps // self.hyper.steps))

    def step(self, z: Tensor) -> dict[str, float]:
        """Learn from z (B, W, C): losses `first`, `second`, `second_after_first`."""
        share = self.share()
        first, second, after = self.phases(z)
        held = second.detach()
        # Both gradients before either step: they are of the same weights.
        down = torch.autograd.grad((1 - share) * first + share * after, self.first, retain_graph=True)
        up = torch.autograd.grad(
            (1 - share) * second - share * held * (held + after).clamp_min(TINY).log(), self.second
        )
        for optimiser, parameters, gradients in (
            (self.first_optimiser, self.first, down),
            (self.second_optimiser, self.second, up),
        ):
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimiser.step()
        for rate in self.rates:
            rate.step()
        self.steps += 1
        return {"first": first.item(), "second": second.item(), "second_after_first": after.item()}
