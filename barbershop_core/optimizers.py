"""Optimizers that torch does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch


class ClampedAdam(torch.optim.Adam):
    """Adam whose parameters are clamped after each step; its moments are not touched.

    Barbershop's optimizer of the appearance weights u (released code; the article's u_k >= 0).
    lower, upper: the allowed range; the other arguments are Adam's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        *,
        lower: float = 0.0,
        upper: float = 1.0,
        **options: Any,
    ):
        super().__init__(params, lr=lr, **options)
        self.lower, self.upper = lower, upper

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = super().step(closure)
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.clamp_(self.lower, self.upper)
        return loss
