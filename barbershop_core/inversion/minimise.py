"""What all the optimizations share: a learning rate that comes to rest, and knowing when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from ..progress import Step, Steps


def ramp_down(index: int, total: int, share: float) -> float:
    """Factor of the learning rate at step ``index`` (from 0) of ``total``: 1, then in the last
    ``share`` of the steps along a half cosine to (nearly) 0."""
    start = total * (1 - share)
    if share <= 0 or index < start:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (index + 1 - start) / (total - start + 1)))


@dataclass
class Plateau:
    """Says when a loss has stopped falling.

    patience: steps without a relative improvement of ``tolerance`` after which it is over; 0: never.
    """

    patience: int
    tolerance: float
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)

    def __call__(self, loss: float) -> bool:
        """Take note of a step's loss; true where the stage should end."""
        if not self.patience:
            return False
        if loss < self.best * (1 - self.tolerance):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience


class EvenAdam(torch.optim.Optimizer):
    """Adam with one step size for a whole tensor.

    Adam's own step is as long along an axis that hardly matters as along one that does; where the
    shortest way is asked for, the root mean square is taken over the tensor instead.
    """

    def __init__(self, params, lr: float = 0.01, betas: tuple[float, float] = (0.9, 0.99)):
        super().__init__(params, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            first, second = group["betas"]
            for tensor in group["params"]:
                state = self.state[tensor]
                if not state:
                    state.update(
                        count=0, mean=torch.zeros_like(tensor), square=torch.zeros((), device=tensor.device)
                    )
                state["count"] += 1
                state["mean"].lerp_(tensor.grad, 1 - first)
                state["square"].lerp_(tensor.grad.square().mean(), 1 - second)
                mean = state["mean"] / (1 - first ** state["count"])
                size = (state["square"] / (1 - second ** state["count"])).sqrt() + 1e-12
                tensor.sub_(group["lr"] * mean / size)


def minimise(
    stage: str,
    total: int,
    variables,
    objective,
    *,
    ramp: float = 0.0,
    patience: int = 0,
    tolerance: float = 0.01,
    optimizer=None,
    preview=None,
) -> Steps[dict[str, float]]:
    """Adam on ``variables``, a step of progress per iteration.

    variables: pairs of a leaf tensor and its learning rate.  objective: () -> losses by name, scalars
    with gradients; their sum is minimized.  ramp, patience, tolerance: see `ramp_down`, `Plateau`.
    optimizer: made from the groups of parameters; Adam by default.  preview: () -> uint8 [H,W,3].
    Returns the last losses.
    """
    groups = [{"params": [tensor], "lr": rate} for tensor, rate in variables]
    optimizer = (optimizer or torch.optim.Adam)(groups)
    plateau, values = Plateau(patience, tolerance), {}
    for index in range(total):
        for group, (_, rate) in zip(optimizer.param_groups, variables):
            group["lr"] = rate * ramp_down(index, total, ramp)
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            losses = objective()
            loss = sum(losses.values())
            loss.backward()
        optimizer.step()
        values = {name: float(value.detach()) for name, value in losses.items()}
        yield Step(stage, index + 1, total, values, preview)
        if plateau(float(loss.detach())):
            break
    return values
