"""Frechet distances between sets of pictures (FID), through torchmetrics.

The published measure looks through one particular Inception network.  Its file is taken from PyTorch's
cache or fetched once; without it the distance is still measured, through the pack's own perceptual net,
under another name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
DIGEST = "6726825d"  # its sha256 begins so

Extractor = Callable[[Tensor], Tensor]
"""uint8 [B,3,H,W] -> features [B,D] on the CPU."""


def inception(timeout: float = 15.0) -> tuple[Extractor | None, str]:
    """FID's network, or ``None`` and a sentence that says why it is not to be had."""
    try:
        import torch_fidelity  # noqa: F401
        from torchmetrics.image.fid import NoTrainInceptionV3
    except ImportError:
        return None, "FID needs the package torch-fidelity (pip install torch-fidelity)."
    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION.rpartition("/")[2]
    try:
        if not path.is_file():
            _fetch(path, timeout)
        net = NoTrainInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    except (OSError, RuntimeError, ValueError) as error:
        return None, f"FID's network is not to be had ({error}); put {path.name} into {path.parent}."
    net.eval()

    @torch.no_grad()
    def extract(pictures: Tensor) -> Tensor:
        return net(pictures)

    return extract, ""


def _fetch(path: Path, timeout: float) -> None:
    if os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in ("1", "true", "yes", "on"):
        raise OSError("HF_HUB_OFFLINE is set")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with urllib.request.urlopen(INCEPTION, timeout=timeout) as answer, open(part, "wb") as file:
            shutil.copyfileobj(answer, file)
        if not hashlib.sha256(part.read_bytes()).hexdigest().startswith(DIGEST):
            raise OSError("the download was cut off")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def perceptual_extractor(perceptual) -> Extractor:
    """The deepest features of a pack's perceptual net, averaged over the picture."""
    device = next(perceptual.parameters()).device

    @torch.no_grad()
    def extract(pictures: Tensor) -> Tensor:
        x = pictures.to(device).float() / 127.5 - 1
        return perceptual.features(x)[-1].mean((2, 3)).cpu()

    return extract


class _AsGiven(nn.Module):
    """Stands where torchmetrics wants a network, because the features are made already."""

    def __init__(self, count: int):
        super().__init__()
        self.num_features = count

    def forward(self, x: Tensor) -> Tensor:
        return x


def distance(real: Tensor, made: Tensor) -> float | None:
    """Frechet distance of two sets of features [N,D]; ``None`` below two pictures."""
    if len(real) < 2 or len(made) < 2:
        return None
    from torchmetrics.image.fid import FrechetInceptionDistance

    measure = FrechetInceptionDistance(feature=_AsGiven(real.shape[1]))
    measure.update(real, real=True)
    measure.update(made, real=False)
    return float(measure.compute())
