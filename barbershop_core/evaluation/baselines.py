"""What a transfer is compared with: the paper's own baseline, and pasting the hair's pixels."""

from __future__ import annotations

import numpy as np
import torch

from ..barbershop.blend import AppearanceTarget, Layer, blend_appearance, blend_structure
from ..barbershop.target_mask import Claim, lay_together
from ..barbershop.transfer_presets import TransferPreset
from ..editing.regions import region_index
from ..photo import Portrait
from ..photo.pixels import to_uint8
from ..progress import Steps
from ..studio import Studio
from . import metrics


def w_plus(
    studio: Studio, face: Portrait, shape: Portrait, colour: Portrait, preset: TransferPreset, smooth: int = 5
) -> Steps[np.ndarray]:
    """Barbershop's baseline (section 4.2): W+ codes instead of F/S, and no alignment.

    The references' regions are combined where they are; the features of their W+ codes are blended with that
    target mask, and the rows above them as in section 3.6.  Returns uint8 [R,R,3], all of it generated.
    """
    pack = studio.pack
    portraits = (face, shape, colour)
    codes = []
    for portrait in portraits:
        codes.append((yield from studio.invert(portrait, "W+", preset.inversion)).to(pack.device))
    images = [portrait.tensor(pack.working_size, pack.device) for portrait in portraits]
    labels = [torch.from_numpy(studio.parse(portrait)).long().to(pack.device) for portrait in portraits]
    target = lay_together(labels[0], [Claim("hair", 1, labels[1])], smooth, "realistic")
    with torch.no_grad():
        own, other = (pack.generator.features(code.w_plus) for code in codes[:2])
        feature = blend_structure(own, [Layer(other, target.owner == 1)])
    hair = region_index("hair")
    kept = (target.owner == 0) & (labels[0] == target.labels) & (target.labels != hair) & (target.labels != 0)
    looks = [
        AppearanceTarget(images[0], kept, kept),
        AppearanceTarget(images[2], target.labels == hair, labels[2] == hair),
    ]
    rows = yield from blend_appearance(pack, feature, [codes[0].w_plus, codes[2].w_plus], looks, preset)
    with torch.no_grad():
        image = pack.generator.synthesis(rows, feature=feature, side=pack.working_size)
    return to_uint8(image)[0].numpy()


def paste(studio: Studio, face: Portrait, shape: Portrait, colour: Portrait) -> np.ndarray:
    """The hair's pixels of ``shape`` pasted onto ``face``, their Lab colours shifted to the mean of the hair
    of ``colour``.  Hair of ``face`` that they do not cover stays.

    Returns uint8 [R,R,3].
    """
    side, hair = studio.pack.working_size, region_index("hair")
    result, donor = face.at(side).copy(), shape.at(side)
    cut, dye = studio.parse(shape) == hair, studio.parse(colour) == hair
    if cut.any():
        values = metrics.lab(donor[cut])
        if dye.any():
            values += metrics.mean_colour(colour.at(side), dye) - values.mean(0)
        result[cut] = metrics.rgb(values)
    return result
