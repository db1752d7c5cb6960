"""Networks that judge whole pictures: features for Frechet distances, and CLIP's view of the hair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .. import networks
from ..networks.clip import Clip
from ..networks.resample import resize
from ..photo.pixels import from_uint8
from ..protocols import PackLike
from ..weights import local
from ..weights.manifest import read_manifest
from . import frechet
from .looks import Look
from .reconstruction import planes

GREY = 127
"""Of everything but the hair."""
NO_CLIP = (
    "FID_CLIP and CLIP-I need CLIP ViT-B/32 of OpenAI; 'python -m barbershop_core download --pack ffhq --also clip' "
    "fetches it."
)


def openai_clip(device: torch.device) -> tuple[Clip | None, str]:
    """CLIP ViT-B/32 where it is on this machine, or None and a sentence that says how to get it."""
    manifest = read_manifest("ffhq")
    found = local.locate(manifest.networks["clip"], manifest.folder, discard=False)
    if found is None:
        return None, NO_CLIP
    return networks.load("clip", found.path).to(device), ""


@dataclass
class Judges:
    """Networks that see whole pictures.  columns: of the table, by name; a picture -> features [1,D] on the CPU."""

    columns: Mapping[str, Callable[[np.ndarray], Tensor]]
    clip: Clip | None

    @classmethod
    def of(cls, pack: PackLike, extractor: frechet.Extractor | None, clip: Clip | None, notices: list[str]) -> Judges:
        """extractor, clip: instead of the published Inception and CLIP.  notices: grows by what cannot be had."""
        name = "fid" if extractor is None else "fid_custom"
        if extractor is None:
            extractor, why = frechet.inception()
            if extractor is None:
                notices.append(why)
                extractor, name = frechet.perceptual_extractor(pack.perceptual), "fid_perceptual"
        if clip is None:
            clip, why = openai_clip(pack.device)
            notices += [why] if why else []
        chosen = extractor
        columns: dict[str, Callable[[np.ndarray], Tensor]] = {name: lambda picture: chosen(planes(picture)).cpu()}
        if clip is not None:
            columns["fid_clip"] = lambda picture: clip_features(clip, picture)
        return cls(columns, clip)

    def see(self, picture: np.ndarray) -> dict[str, Tensor]:
        """Features of a picture, by column."""
        return {name: extract(picture) for name, extract in self.columns.items()}

    def clip_i(self, result: Look, hair: Look) -> float | None:
        """Cosine of CLIP's features of the hair in two pictures; None without CLIP or hair."""
        if self.clip is None or not (result.mask("hair").any() and hair.mask("hair").any()):
            return None
        shown = [np.where(seen.mask("hair")[..., None], seen.picture, np.uint8(GREY)) for seen in (result, hair)]
        one, two = (clip_features(self.clip, picture) for picture in shown)
        return float(torch.cosine_similarity(one, two))


@torch.no_grad()
def clip_features(clip: Clip, picture: np.ndarray) -> Tensor:
    """CLIP's image features, not normalized: uint8 [H,W,3] -> [1,E] on the CPU."""
    image = resize(from_uint8(picture, clip.mean.device), clip.size)
    return clip.encode_image(((image + 1) / 2 - clip.mean) / clip.std).float().cpu()
