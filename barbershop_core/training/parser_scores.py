"""Held-out figures of a parser, on renders and on photographs.

``python -m barbershop_core.training.parser_scores --photos FOLDER`` prints those of the studio pack's.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from .. import open_pack
from ..editing.regions import REGIONS, Parser, parse, region_index, to_regions
from ..photo.pixels import from_uint8
from ..world.shading import LABEL
from . import labelled_photos as photos
from . import pool

TABLE = "celebamask19"


@torch.no_grad()
def scores(parser: Parser, folder: Path, data: Path | None = None, limit: int | None = None) -> dict[str, float]:
    """Held-out numbers, all of them ratios of summed areas.

    "renders": mean IoU over the regions that occur in the held-out renders, "renders <region>" each;
    with a folder of photos, "hair": IoU of the held-out tenth of the hair masks (resized to the
    parser's square, compared at the photo's size), "hair figaro" and "hair lfw" each, "hair lfw trusted"
    without what `labelled_photos.doubted` ignores; and "parts <region>" on portraits of people held out, whose
    truth is machine-made.  limit: portraits and photos of each kind.
    """
    result: dict[str, float] = {}
    images, labels = pool.load(folder, "images", "labels", held_out=True, limit=1)
    each = _region_ious(parser, images[:limit], labels[:limit])
    result["renders"] = float(np.mean(list(each.values())))
    result |= {f"renders {name}": value for name, value in each.items()}
    if data is None:
        return result
    sums: dict[str, np.ndarray] = {}
    pairs = list(photos.hair_pairs(data, True).items())
    for name, (image, mask) in pairs[:: max(1, len(pairs) // (limit or len(pairs)))]:
        found = parse(parser, from_uint8(np.asarray(image)[None].copy()))[0].numpy() == region_index("hair")
        kind = name.split("/")[0]
        known = {"hair": np.ones_like(mask), f"hair {kind}": np.ones_like(mask)}
        if kind == "lfw":
            drawn = np.where(mask, LABEL["hair"], 0).astype(np.uint8)
            known["hair lfw trusted"] = photos.doubted(drawn) != photos.IGNORE
        for key, where in known.items():
            both = np.array([(found & mask & where).sum(), ((found | mask) & where).sum()])
            sums[key] = sums.get(key, 0) + both
    result |= {key: float(a / max(b, 1)) for key, (a, b) in sums.items()}
    each = _region_ious(parser, *(a[:limit] for a in photos.part_arrays(data, 192, True)))
    return result | {f"parts {name}": value for name, value in each.items()}


def _region_ious(parser: Parser, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    n = len(REGIONS)
    table = torch.zeros(n, n)
    for image, label in zip(images, labels):
        known = torch.from_numpy(label).long() != photos.IGNORE
        truth = to_regions(torch.from_numpy(label).long()[known], TABLE)
        found = parse(parser, from_uint8(image[None]))[0][known]
        table += torch.bincount(truth * n + found, minlength=n * n).reshape(n, n)
    union = table.sum(0) + table.sum(1) - table.diagonal()
    return {name: (table[i, i] / union[i]).item() for i, name in enumerate(REGIONS) if table[i].sum() > 0}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m barbershop_core.training.parser_scores", description=__doc__)
    folder = Path.home() / ".cache/barbershop-training/pool"
    parser.add_argument("--pool", type=Path, default=folder, help="renders; those held out are made if missing")
    parser.add_argument("--photos", type=Path, help="folder with hair256.tar, faces192.tar, labels192.tar")
    parser.add_argument("--pack", default="studio")
    parser.add_argument("--limit", type=int, help="portraits and photos of each kind")
    args = parser.parse_args()
    list(pool.make(args.pool, pool.CHUNK, 128, first_seed=pool.HELD_OUT_SEED))
    figures = scores(open_pack(args.pack).parser, args.pool, args.photos, args.limit)
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2))


if __name__ == "__main__":
    main()
