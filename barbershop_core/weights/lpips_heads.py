"""The published weights of LPIPS v0.1 on VGG16, from the file inside the ``lpips`` package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from ..errors import WeightMissing
from .checkpoint import read


def read_published() -> dict[str, Tensor]:
    """``linK.model.1.weight`` [1,C_k,1,1] for the five blocks K.

    Raises errors.WeightMissing if the package is not installed.
    """
    spec = find_spec("lpips")  # finds the folder without importing the package
    file = Path(spec.origin or "").parent / "weights" / "v0.1" / "vgg.pth" if spec is not None else None
    if file is None or not file.is_file():
        raise WeightMissing("The weights of the LPIPS measure are missing.", "Run: pip install lpips")
    return read(file)
