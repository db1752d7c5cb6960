"""What a portrait shows, from the pack's parser."""

from __future__ import annotations

import numpy as np
import torch

from ..inversion.cache import CodeCache
from ..photo import Portrait
from ..progress import Step, Steps
from ..protocols import PackLike
from .regions import parse, region_index
from .request import Request


def regions_of(pack: PackLike, portrait: Portrait) -> np.ndarray:
    """Its regions: uint8 [R,R], indices into :data:`.regions.REGIONS`."""
    image = portrait.tensor(pack.working_size, pack.device)
    return parse(pack.parser, image)[0].to("cpu", torch.uint8).numpy()


def parse_photo(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[np.ndarray]:
    """The operation parse: :func:`regions_of` the photo "face"."""
    yield from pack.fetch("parser")
    labels = regions_of(pack, request.portrait)
    yield Step("parse", 1, 1)
    return labels


def shows_a_face(pack: PackLike, portrait: Portrait) -> bool:
    """Whether the parser finds skin, nose and mouth in it."""
    labels = regions_of(pack, portrait)
    share = {name: float((labels == region_index(name)).mean()) for name in ("skin", "nose", "mouth")}
    return share["skin"] > 0.06 and share["nose"] > 0.003 and share["mouth"] > 0.002
