"""One set of region names for every face parser.

The published parsers number the parts differently (hair is 17 of 19 or 10 of 16); all other files use
``REGIONS`` only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadRequest, PackError
from ..networks.resample import resize

REGIONS: tuple[str, ...] = (
    "background",
    "skin",
    "brows",
    "eyes",
    "glasses",
    "ears",
    "earrings",
    "nose",
    "mouth",
    "neck",
    "necklace",
    "clothes",
    "hair",
    "hat",
)

FACE: tuple[str, ...] = ("skin", "brows", "eyes", "glasses", "nose", "mouth")
"""The regions of a face swap."""

TABLES: dict[str, tuple[str, ...]] = {
    # zllrunning/face-parsing.PyTorch: the order of CelebAMask-HQ's parts
    "celebamask19": (
        "background",
        "skin",
        "brows",
        "brows",
        "eyes",
        "eyes",
        "glasses",
        "ears",
        "ears",
        "earrings",
        "nose",
        "mouth",
        "mouth",
        "mouth",
        "neck",
        "necklace",
        "clothes",
        "hair",
        "hat",
    ),
    # Barbershop's seg.pth
    "barbershop16": (
        "background",
        "skin",
        "nose",
        "glasses",
        "eyes",
        "brows",
        "ears",
        "mouth",
        "mouth",
        "mouth",
        "hair",
        "hat",
        "earrings",
        "necklace",
        "neck",
        "clothes",
    ),
}
"""Region of each class of each label table.  Mouth means lips and what is between them."""

COLOURS = np.array(
    [
        (24, 26, 32),
        (238, 187, 153),
        (120, 72, 40),
        (64, 140, 255),
        (0, 190, 190),
        (255, 140, 110),
        (255, 215, 0),
        (255, 105, 140),
        (200, 30, 60),
        (205, 150, 120),
        (240, 240, 120),
        (70, 110, 90),
        (150, 80, 200),
        (250, 150, 30),
    ],
    np.uint8,
)
"""RGB of each region, for display."""

ABSENT = -30.0
"""Log-probability of a region that a parser's table lacks."""


def region_index(name: str) -> int:
    """Index in ``REGIONS``.  Raises errors.BadRequest for unknown names."""
    try:
        return REGIONS.index(name.strip().lower())
    except ValueError:
        raise BadRequest(f"There is no region '{name}'.", f"Choose from: {', '.join(REGIONS)}.") from None


def region_table(table: str) -> tuple[int, ...]:
    """Index in ``REGIONS`` of each class of a label table.  Raises errors.PackError for unknown
    tables."""
    if table not in TABLES:
        raise PackError(f"There is no label table '{table}'.", f"Known are: {', '.join(TABLES)}.")
    return tuple(REGIONS.index(name) for name in TABLES[table])


def to_regions(labels: Tensor, table: str) -> Tensor:
    """Class ids of a label table, any shape and integer type -> region indices, long."""
    return torch.tensor(region_table(table), device=labels.device)[labels.long()]


def region_mask(labels: Tensor, names: str | Iterable[str]) -> Tensor:
    """Region indices, any shape -> bool: where they are one of the named regions."""
    names = [names] if isinstance(names, str) else list(names)
    wanted = torch.tensor([region_index(n) for n in names], dtype=labels.dtype, device=labels.device)
    return torch.isin(labels, wanted)


@dataclass(frozen=True, eq=False)
class Parser:
    """A face parser with its preprocessing and label table.

    net: normalised [B,3,S,S] -> logits [B,classes,S,S]; input_size: S it was trained for, px;
    table: name of its label table; mean, std: of its normalisation, for RGB 0..1 (ImageNet's).
    """

    net: nn.Module
    input_size: int = 512
    table: str = "celebamask19"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        classes = getattr(self.net, "n_classes", None)
        if classes is not None and classes != len(region_table(self.table)):
            raise PackError(
                f"The parser has {classes} classes, its label table '{self.table}' {len(region_table(self.table))}.",
                "Name the right table in the pack's manifest.",
            )

    def class_logits(self, image: Tensor) -> Tensor:
        """[B,3,H,W] RGB in -1..1, any size -> the network's own logits
        [B,classes,input_size,input_size].  Gradients flow."""
        x = resize(image, self.input_size)
        mean = torch.tensor(self.mean, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
        std = torch.tensor(self.std, dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
        return self.net((x * 0.5 + 0.5 - mean) / std)


def region_log_probabilities(class_logits: Tensor, table: str) -> Tensor:
    """[B,classes,H,W] -> [B,len(REGIONS),H,W]: log of the summed probabilities of each region's
    classes; ``ABSENT`` for regions without classes."""
    log_p = F.log_softmax(class_logits, 1)
    regions = region_table(table)
    planes = []
    for index in range(len(REGIONS)):
        classes = [c for c, r in enumerate(regions) if r == index]
        if not classes:
            planes.append(torch.full_like(log_p[:, 0], ABSENT))
        elif len(classes) == 1:
            planes.append(log_p[:, classes[0]])
        else:
            planes.append(torch.logsumexp(log_p[:, classes], 1))
    return torch.stack(planes, 1)


def parse_logits(parser: Parser, image: Tensor, size: int | None = None) -> Tensor:
    """Log-probabilities of the regions, with gradients to the image.

    image: [B,3,H,W] in -1..1.  size: px of the result; ``None`` for the image's own.  More than
    ``parser.input_size`` adds no information to a loss.
    Returns [B,len(REGIONS),H,W].
    """
    logits = parser.class_logits(image)
    shape = image.shape[-2:] if size is None else (size, size)
    if logits.shape[-2:] != shape:
        logits = F.interpolate(logits, shape, mode="bilinear", align_corners=False)
    return region_log_probabilities(logits, parser.table)


def parse(parser: Parser, image: Tensor, size: int | None = None) -> Tensor:
    """[B,3,H,W] in -1..1 -> the likeliest region of each pixel, long [B,H,W]."""
    with torch.no_grad():
        return parse_logits(parser, image, size).argmax(1)


def overlaps(found: np.ndarray, wanted: np.ndarray, names: Iterable[str]) -> dict[str, float]:
    """IoU of two maps of region indices [R,R], by region; those that neither shows are left out."""
    iou = {}
    for name in dict.fromkeys(names):
        one, other = found == region_index(name), wanted == region_index(name)
        if union := int((one | other).sum()):
            iou[name] = round(int((one & other).sum()) / union, 4)
    return iou


def colour_map(labels: Tensor | np.ndarray) -> np.ndarray:
    """Region indices [..., H, W] -> uint8 [..., H, W, 3] RGB for display."""
    if isinstance(labels, Tensor):
        labels = labels.detach().cpu().numpy()
    return COLOURS[labels]
