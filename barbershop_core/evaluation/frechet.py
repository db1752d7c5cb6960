"""Frechet distances between sets of pictures (FID), through torchmetrics.

FID is defined with one particular Inception network, whose file is taken from PyTorch's cache or downloaded
once.  Where it is not available, the distance can still be measured with the pack's perceptual net, under
another name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from ..networks.perceptual import Perceptual
from ..weights.local import offline

INCEPTION = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
DIGEST = "6726825d"  # the first digits of its sha256

Extractor = Callable[[Tensor], Tensor]
"""uint8 [B,3,H,W] -> features [B,D] on the CPU."""


def inception() -> tuple[Extractor | None, str]:
    """FID's network, or ``None`` and a sentence that says why it is not available."""
    try:
        import torch_fidelity  # noqa: F401
        from torchmetrics.image.fid import NoTrainInceptionV3
    except ImportError:
        return None, "FID needs the package torch-fidelity (pip install torch-fidelity)."
    path = Path(torch.hub.get_dir()) / "checkpoints" / INCEPTION.rpartition("/")[2]
    try:
        if not path.is_file():
            _download(path)
        net = NoTrainInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))
    except (OSError, RuntimeError, ValueError) as error:
        return None, f"FID's network is not available ({error}); put {path.name} into {path.parent}."
    net.eval()

    @torch.no_grad()
    def extract(pictures: Tensor) -> Tensor:
        return net(pictures)

    return extract, ""


def _download(path: Path) -> None:
    if offline():
        raise OSError("HF_HUB_OFFLINE is set")
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(INCEPTION, str(path), hash_prefix=DIGEST, progress=False)


def perceptual_extractor(perceptual: Perceptual) -> Extractor:
    """The deepest features of a pack's perceptual net, averaged over the picture."""
    device = next(perceptual.parameters()).device

    @torch.no_grad()
    def extract(pictures: Tensor) -> Tensor:
        x = pictures.to(device).float() / 127.5 - 1
        return perceptual.features(x)[-1].mean((2, 3)).cpu()

    return extract


class _AsGiven(nn.Module):
    """The network that torchmetrics wants, for features that are computed already."""

    def __init__(self, count: int):
        super().__init__()
        self.num_features = count

    def forward(self, x: Tensor) -> Tensor:
        return x


def distance(real: Tensor, made: Tensor) -> float | None:
    """Frechet distance of two sets of features [N,D]; ``None`` where one has fewer than two."""
    if len(real) < 2 or len(made) < 2:
        return None
    from torchmetrics.image.fid import FrechetInceptionDistance

    measure = FrechetInceptionDistance(feature=_AsGiven(real.shape[1]))
    measure.update(real, real=True)
    measure.update(made, real=False)
    return float(measure.compute())
