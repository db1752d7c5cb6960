"""What a rig's training compares, as one vector: theta, landmarks and what else the regressor reads.

F, StyleRig's differentiable face reconstruction (DFR, section 4.1), predicts it from a code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..face3d.theta import TAU, Theta, from_flat
from ..pie.face_reader import FaceReading
from ..pie.sample_bank import SampleBank


class FaceReconstruction(nn.Module):
    """F: standardized rows of a code [B,L,D] -> standardized description [B,K].

    A linear layer plus a network with two hidden layers.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int = 256):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.mlp = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.ELU(),
            nn.Dropout(0.1),
            nn.Linear(hidden, hidden),
            nn.ELU(),
            nn.Linear(hidden, outputs),
        )

    @torch.no_grad()
    def start(self, rows: Tensor, wanted: Tensor) -> None:
        """Start from ridge regression of ``wanted`` [N,K] on rows [N,L,D]: most of theta is linear in W."""
        answer = ridge(torch.cat([rows.flatten(1), rows.new_ones(len(rows), 1)], 1), wanted)
        self.linear.weight.copy_(answer[:-1].T)
        self.linear.bias.copy_(answer[-1])
        self.mlp[-1].weight.zero_()
        self.mlp[-1].bias.zero_()

    def forward(self, rows: Tensor) -> Tensor:
        flat = rows.flatten(1)
        return self.linear(flat) + self.mlp(flat)


def ridge(x: Tensor, y: Tensor, weight: float = 30.0) -> Tensor:
    """Ridge regression of y [N,K] on x [N,D]: [D,K], by whichever of the two equal systems is smaller."""
    if len(x) < x.shape[1]:
        return x.T @ torch.linalg.solve(x @ x.T + weight * torch.eye(len(x), device=x.device), y)
    return torch.linalg.solve(x.T @ x + weight * torch.eye(x.shape[1], device=x.device), x.T @ y)


class Description:
    """A reading as one standardized vector [B,K].

    bank: the samples whose mean and spread standardize.  theta, landmarks, rest: slices of the vector.
    tau, others: indices of each tau's numbers, and of all other theta but the translation.
    """

    def __init__(self, bank: SampleBank):
        self.sizes = bank.reading.theta.sizes
        raw = self._raw(bank.reading)
        self.mean, self.std = raw.mean(0), raw.std(0).clamp_min(1e-3)
        count = sum(self.sizes.values())
        self.theta, self.landmarks = slice(0, count), slice(count, count + bank.reading.landmarks[0].numel())
        self.rest = slice(self.landmarks.stop, raw.shape[1])
        places = dict(zip(self.sizes, torch.arange(count).split(list(self.sizes.values()))))
        self.tau = {name: places[part] for name, part in TAU.items()}
        kept = [i for part in ("rotation", "identity", "texture", "expression", "light") for i in places[part].tolist()]
        self.others = {name: torch.tensor([i for i in kept if i not in set(self.tau[name].tolist())]) for name in TAU}

    @staticmethod
    def _raw(reading: FaceReading) -> Tensor:
        return torch.cat([reading.theta.flat(), reading.landmarks.flatten(1), reading.rest], 1)

    def __call__(self, reading: FaceReading) -> Tensor:
        return (self._raw(reading) - self.mean) / self.std

    def thetas(self, description: Tensor) -> Theta:
        """Undoes :meth:`__call__` for theta."""
        raw = description[:, self.theta] * self.std[self.theta] + self.mean[self.theta]
        return from_flat(raw, self.sizes)
