"""Reading the conformance fixtures: inputs, stored outputs of the references, tolerances."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from conformance import weights

FOLDER = Path(__file__).parent / "conformance"


def picture(name: str, size: int, seed: int = 1) -> torch.Tensor:
    """A drawn picture [1,3,size,size] in -1..1."""
    pixels = weights.smooth_image(name, size, size, seed)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


class Fixture:
    """One folder of ``tests/conformance``."""

    def __init__(self, name: str):
        self.path = str(FOLDER / name)
        self.spec = json.loads((FOLDER / name / "spec.json").read_text())
        self.seed = self.spec["seed"]
        with np.load(FOLDER / name / "io.npz") as stored:
            self.io = dict(stored)

    def checkpoint(self):
        """The published file's object, after checking that the weights are the reference's."""
        state = weights.numpy_state(self.path, self.seed)
        assert weights.checksum(state) == self.spec["state_sha256"]
        return weights.checkpoint(self.path, self.seed)

    def atol(self, name: str) -> float:
        return self.spec["tolerance"]["outputs"][name]["atol"]

    def check(self, name: str, value) -> None:
        """``value`` equals the stored output within the spec's tolerance."""
        value = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        stored = self.io[name]
        assert value.size == stored.size, (name, value.shape, stored.shape)
        worst = np.abs(value.reshape(stored.shape).astype(np.float64) - stored).max()
        assert worst <= self.atol(name), f"{name}: {worst:.3g} > {self.atol(name):.3g}"

    def check_gradient(self, name: str, gradient: torch.Tensor, step: int, norm: str | None = None) -> None:
        """The spec's rule: cosine of at least .9999 on every ``step``-th pixel, norm to 1e-3."""
        stored = self.io[name].ravel().astype(np.float64)
        value = gradient[..., ::step, ::step].detach().numpy().ravel().astype(np.float64)
        cosine = value @ stored / (np.linalg.norm(value) * np.linalg.norm(stored))
        assert cosine >= 0.9999, f"{name}: cosine {cosine}"
        if norm is None:
            np.testing.assert_allclose(np.linalg.norm(value), np.linalg.norm(stored), rtol=1e-3)
        else:
            per_sample = gradient.flatten(1).norm(dim=1).numpy() if self.io[norm].size > 1 else [gradient.norm().item()]
            np.testing.assert_allclose(per_sample, self.io[norm], rtol=1e-3)


def stats(features) -> np.ndarray:
    """(mean, std) of each tensor, [N,2]."""
    return np.array([(f.mean().item(), f.std(unbiased=False).item()) for f in features])
