"""How well a pack's recognition network tells people apart, and the thresholds of "likeness" that follow.

    python -m barbershop_core.evaluation.likeness studio                           # rendered portraits of its world
    python -m barbershop_core.evaluation.likeness studio faces.json faces_folder   # photographs

The thresholds printed go into the pack's manifest, as ``likeness`` of the network "identity".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..networks.arcface import identity_embedding
from ..photo.pixels import from_uint8
from ..protocols import PackLike

PEOPLE = 100
"""People compared, with two pictures of each."""
EACH = 5
"""Pairs of photographs of a person at the most."""
TELLS = 0.8
"""Area under the ROC curve below which a network cannot tell people apart."""
FALSE, MISSED = 0.02, 0.1
"""Share of pairs of two people that may count as "high", and of pairs of one person that may count as "low"."""


@dataclass(frozen=True)
class Calibration:
    """area: under the ROC curve.  low, high: cosines below which likeness is low and from which it is high; None for a
    network that cannot tell."""

    area: float
    thresholds: tuple[float, float] | None


def calibrated(same: Sequence[float], other: Sequence[float]) -> Calibration:
    """From cosines of pairs of pictures that show the same person, and of pairs that show two.

    At most `FALSE` of the pairs of two people are "high" and at most `MISSED` of those of one person "low"; what is
    left between the two thresholds is "medium".
    """
    same, other = np.sort(np.asarray(same, float)), np.sort(np.asarray(other, float))
    below = np.searchsorted(other, same, "left") + np.searchsorted(other, same, "right")
    area = float(below.mean() / 2 / len(other))
    if area < TELLS:
        return Calibration(area, None)
    low, high = sorted((float(np.quantile(other, 1 - FALSE)), float(np.quantile(same, MISSED))))
    return Calibration(area, (round(low, 3), round(high, 3)))


def compare(pack: PackLike, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Calibration:
    """pairs: two pictures of one person each, uint8 [H,W,3]; the first of each is compared with the second of the pair
    before, which shows someone else."""
    first, second = [], []
    with torch.no_grad():
        for one, two in pairs:
            first.append(identity_embedding(pack.identity, from_uint8(one, pack.device))[0].cpu())
            second.append(identity_embedding(pack.identity, from_uint8(two, pack.device))[0].cpu())
    a, b = torch.stack(first), torch.stack(second)
    return calibrated((a * b).sum(1).tolist(), (a * b.roll(1, 0)).sum(1).tolist())


def rendered_pairs(people: int = PEOPLE, size: int = 128) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Held-out portraits of the world: the same person in another pose and light, with another expression."""
    from ..world import params
    from ..world.render import render
    from .held_out import POSES, held_out

    changing = [params.indices(group) for group in ("pose", "expression", "light")]
    for one, two in held_out(people, 2, POSES + 5_000):
        again = one.copy()
        for columns in changing:
            again[columns] = two[columns]
        yield tuple(render(values, size).image for values in (one, again))


def photographed_pairs(listed: Path, folder: Path, people: int = PEOPLE) -> Iterable[tuple[np.ndarray, np.ndarray]]:
    """Pairs of photographs of each of the last people of a list [{"file", "person"}] in JSON, `EACH` at the most; none
    of them should have been trained on."""
    found: dict[str, list[str]] = {}
    for entry in json.loads(listed.read_text()):
        found.setdefault(entry["person"], []).append(entry["file"])
    chosen = [files for _, files in sorted(found.items()) if len(files) > 1][-people:]
    for k in range(EACH):  # one pair of everybody after the other, so that neighbours are two people
        for files in chosen:
            if len(files) >= 2 * k + 2:
                yield tuple(np.asarray(Image.open(folder / name).convert("RGB")) for name in files[2 * k : 2 * k + 2])


def main(arguments: Sequence[str]) -> None:
    """Print the area under the curve and the thresholds.  arguments: a pack; then list and folder of photographs."""
    from .. import open_pack

    pack = open_pack(arguments[0], device="cpu")
    kind = "photograph" if arguments[1:] else "rendered"
    pairs = photographed_pairs(Path(arguments[1]), Path(arguments[2])) if arguments[1:] else rendered_pairs()
    found = compare(pack, pairs)
    print(f"{kind}: area {found.area:.3f}, thresholds {list(found.thresholds or ())}")


if __name__ == "__main__":
    main(sys.argv[1:])
