"""The optimization loop behind every search for a code, its learning rate schedule and its early stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..photo.pixels import to_uint8
from ..precision import early, half_precision
from ..progress import Step, Steps


def minimise(
    stage: str,
    total: int,
    variables: Sequence[tuple[Tensor, float]],
    objective: Callable[[int], tuple[Tensor | None, dict[str, Tensor]]],
    *,
    optimizer: Callable[[list[dict]], torch.optim.Optimizer] = torch.optim.Adam,
    ramp: float = 0.0,
    rate: Callable[[int], float] | None = None,
    patience: int = 0,
    tolerance: float = 0.01,
) -> Steps[dict[str, float]]:
    """Minimise the sum of an objective's losses.

    stage, total: name of the stage and number of iterations.
    variables: pairs of a leaf tensor and its learning rate; the tensors are changed in place.
    objective: called with the iteration's index, from 0; returns the image it has made, [B,3,H,W] in
        [-1,1] (``None`` where there is none to show), and weighted losses by name, each a scalar or [B].
        They are summed for the gradient, and averaged over the batch for display.
    optimizer: makes the optimizer from parameter groups.
    ramp: share of the iterations in which the learning rate falls along a cosine at the end (`ramp_down`).
    rate: instead, the factor of the learning rate at each iteration.
    patience, tolerance: early stop, see `Plateau`.

    Large generators run in half precision in the first iterations, see `precision`.
    Yields a step per iteration, with the image as its preview.  Returns the last known value of each loss;
    an objective need not compute every loss in every iteration.
    """
    descent = optimizer([{"params": [tensor], "lr": rate} for tensor, rate in variables])
    plateau, values = Plateau(patience, tolerance), dict[str, float]()
    for index in range(total):
        factor = ramp_down(index, total, ramp) if rate is None else rate(index)
        for group, (_, peak) in zip(descent.param_groups, variables):
            group["lr"] = peak * factor
        descent.zero_grad(set_to_none=True)
        with torch.enable_grad(), half_precision(early(index, total)):
            image, losses = objective(index)
            loss = sum(value.sum() for value in losses.values())
            loss.backward()
        descent.step()
        values |= {name: float(value.detach().mean()) for name, value in losses.items()}
        yield Step(stage, index + 1, total, dict(values), _preview(image))
        if plateau(float(loss.detach())):
            break
    return values


def _preview(image: Tensor | None):
    """Makes uint8 [H,W,3] of the first image of a batch."""
    if image is None:
        return None
    image = image.detach()
    return lambda: to_uint8(image)[0].numpy()


def ramp_down(index: int, total: int, share: float) -> float:
    """Factor of the learning rate at iteration ``index`` (from 0) of ``total``: 1, and in the last
    ``share`` of the iterations along a half cosine to nearly 0."""
    start = total * (1 - share)
    if share <= 0 or index < start:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (index + 1 - start) / (total - start + 1)))


@dataclass
class Plateau:
    """Detects that a loss has stopped falling.

    patience: iterations without a relative improvement of ``tolerance`` after which to stop; 0: never stop.
    """

    patience: int
    tolerance: float
    best: float = field(default=math.inf, init=False)
    waited: int = field(default=0, init=False)

    def __call__(self, loss: float) -> bool:
        """Whether to stop after an iteration with this loss."""
        if not self.patience:
            return False
        if loss < self.best * (1 - self.tolerance):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        return self.waited >= self.patience


class EvenAdam(torch.optim.Optimizer):
    """Adam with a single step size for each tensor.

    Adam divides each element's gradient by that element's own root mean square, so unimportant axes move as
    far as important ones.  Here the root mean square is taken over the whole tensor, which keeps the
    direction of the gradient and finds nearer solutions.
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
                    state.update(count=0, mean=torch.zeros_like(tensor), square=torch.zeros((), device=tensor.device))
                state["count"] += 1
                state["mean"].lerp_(tensor.grad, 1 - first)
                state["square"].lerp_(tensor.grad.square().mean(), 1 - second)
                mean = state["mean"] / (1 - first ** state["count"])
                size = (state["square"] / (1 - second ** state["count"])).sqrt() + 1e-12
                tensor.sub_(group["lr"] * mean / size)
