"""What a rig's training compares, as one vector: theta, landmarks and all else that the regressor tells.

F, StyleRig's differentiable face reconstruction (section 4.1), reads it from a code.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..face3d.theta import TAU, Theta, from_flat
from ..pie.face_reader import FaceReading
from ..pie.sample_bank import SampleBank


class FaceReconstruction(nn.Module):
    """F (DFR): a code [B,L,D] -> standardized description [B,K], linear beside two hidden layers."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 256):
        super().__init__()
        self.straight = nn.Linear(inputs, outputs)
        self.bend = nn.Sequential(
            nn.Linear(inputs, hidden),
            nn.ELU(),
            nn.Dropout(0.1),
            nn.Linear(hidden, hidden),
            nn.ELU(),
            nn.Linear(hidden, outputs),
        )

    def forward(self, rows: Tensor) -> Tensor:
        flat = rows.flatten(1)
        return self.straight(flat) + self.bend(flat)


class Description:
    """What is compared, as one standardized vector: theta without translation, landmarks, the rest."""

    def __init__(self, bank: SampleBank):
        self.sizes = bank.reading.theta.sizes
        raw = self._raw(bank.reading)
        self.mean, self.std = raw.mean(0), raw.std(0).clamp_min(1e-3)
        count = sum(self.sizes.values())
        self.theta, self.landmarks = slice(0, count), slice(count, count + bank.reading.landmarks[0].numel())
        self.rest = slice(self.landmarks.stop, raw.shape[1])
        places = dict(zip(self.sizes, torch.arange(count).split(list(self.sizes.values()))))
        self.tau = {name: places[part] for name, part in TAU.items()}
        kept = [
            i
            for part in ("rotation", "identity", "texture", "expression", "light")
            for i in places[part].tolist()
        ]
        self.others = {
            name: torch.tensor([i for i in kept if i not in set(self.tau[name].tolist())]) for name in TAU
        }

    @staticmethod
    def _raw(reading: FaceReading) -> Tensor:
        return torch.cat([reading.theta.flat(), reading.landmarks.flatten(1), reading.rest], 1)

    def __call__(self, reading: FaceReading) -> Tensor:
        return (self._raw(reading) - self.mean) / self.std

    def thetas(self, description: Tensor) -> Theta:
        """theta again."""
        raw = description[:, self.theta] * self.std[self.theta] + self.mean[self.theta]
        return from_flat(raw, self.sizes)
