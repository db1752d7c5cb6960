"""The pool: a folder of rendered portraits to train on, made once, in chunks, by several processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch

from .. import atomic
from ..world import params, render

CHUNK = 500
HELD_OUT_SEED = 900_000  # chunks from this seed on are never trained on


def _make(folder: str, seed: int, size: int) -> str:
    torch.set_num_threads(1)
    path = Path(folder) / f"{seed:06d}.npz"
    if not path.exists():
        p = params.sample(CHUNK, seed)
        drawn = [render.render(row, size) for row in p]
        with atomic.replacing(path) as partial, open(partial, "wb") as file:
            np.savez(
                file,
                p=p,
                images=np.stack([r.image for r in drawn]),
                labels=np.stack([r.labels for r in drawn]),
                landmarks=np.stack([r.landmarks for r in drawn]),
                theta=np.stack([r.theta for r in drawn]),
            )
    return str(path)


def make(folder: Path, count: int, size: int, workers: int = 2, first_seed: int = 0) -> Iterator[Path]:
    """Render ``count`` portraits at ``size`` px into ``folder``, yielding each finished chunk.

    A chunk is an .npz with p [500,P], images uint8 [500,S,S,3], labels uint8 [500,S,S],
    landmarks [500,68,2], theta [500,57].  Chunks that exist already are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seeds = range(first_seed, first_seed + -(-count // CHUNK))
    with ProcessPoolExecutor(workers) as executor:
        for path in executor.map(_make, *zip(*((str(folder), s, size) for s in seeds))):
            yield Path(path)


def chunks(folder: Path, held_out: bool = False) -> list[Path]:
    """Finished chunks, in order of seed."""
    return [c for c in sorted(folder.glob("*.npz")) if (int(c.stem) >= HELD_OUT_SEED) == held_out]


def load(folder: Path, *names: str, held_out: bool = False, limit: int | None = None) -> list[np.ndarray]:
    """The named arrays of all (or the first ``limit``) chunks, each concatenated."""
    opened = [np.load(c) for c in chunks(folder, held_out)[:limit]]
    return [np.concatenate([o[name] for o in opened]) for name in names]


if __name__ == "__main__":
    import sys

    for done in make(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), first_seed=int(sys.argv[4])):
        print(done, flush=True)
