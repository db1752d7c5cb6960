"""Train the studio pack: ``python -m barbershop_core.training.studio_pack --out assets/packs/studio``.

Renders the pool, then trains the networks of ``STAGES`` one after the other, each for a fixed time.  An
interrupted training is resumed by the same command.  Writes the pack's files in half precision, and REPORT.md
with the held-out figures.  The photographs are optional (``--photos``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from .. import networks
from ..inversion.prior import PNorm
from ..networks.stylegan2 import Generator
from ..progress import Step, Steps, run
from ..weights.manifest import write_manifest_hashes
from ..weights.save import save_half
from . import hair_projection, pool, report, train_encoder, train_generator, train_identity, train_perceptual

if TYPE_CHECKING:
    from ..pack import Pack

SIZE = 128
PORTRAITS = 16_000
RIG_HELD_OUT = 96
"""Generated portraits on which the rig is scored."""
MINUTES = {
    "generator": 90.0,
    "perceptual": 12.0,
    "identity": 20.0,
    "encoder": 20.0,
    "photographs": 60.0,
    "parser": 80.0,
    "regressor": 15.0,
    "clip": 20.0,
    "rig": 10.0,
}
"""Training times for two idle CPU cores; directions and mappers are not limited: about half an hour."""


@torch.no_grad()
def pnorm(g: Generator) -> PNorm:
    """P-norm statistics from 20,000 seeded samples."""
    z = torch.randn(20_000, g.z_dim, generator=torch.Generator().manual_seed(5))
    return PNorm.fit(g.mapping(z))


@dataclass(frozen=True)
class Place:
    """Where a training reads and writes.

    out: the pack's folder, with pack.toml.  work: pool and checkpoints.  photos: a folder with the tar files of
    ``labelled_photos``, or None.
    minutes: training times by stage.
    """

    out: Path
    work: Path
    photos: Path | None
    minutes: dict[str, float]

    @property
    def pool(self) -> Path:
        return self.work / "pool"

    def checkpoint(self, name: str) -> Path:
        return self.work / f"{name}.pt"


Figures = dict[str, float]
Stage = Callable[[Place], Steps[Figures]]
"""Trains, writes the pack's files, returns its held-out figures."""


def _generator(place: Place) -> Steps[Figures]:
    schedule = train_generator.Schedule(minutes=place.minutes["generator"])
    yield from train_generator.train(place.pool, place.checkpoint("generator"), SIZE, schedule)
    g = train_generator.load(place.checkpoint("generator"), SIZE)
    save_half(g.state_dict() | {"latent_avg": g.w_mean}, place.out / "generator.safetensors")
    save_half(dict(pnorm(g).state_dict()), place.out / "pnorm.safetensors")
    matrix, explained = hair_projection.fit(g)
    save_half({"matrix": matrix}, place.out / "hair_projection.safetensors")
    return report.generator_scores(g, place.pool) | {"hair's moves explained": explained}


def _perceptual(place: Place) -> Steps[Figures]:
    arguments = place.pool, place.checkpoint("perceptual"), place.minutes["perceptual"]
    net, figures = yield from train_perceptual.train(*arguments)
    save_half(dict(net.vgg.state_dict()), place.out / "perceptual.safetensors")
    return figures


def _identity(place: Place) -> Steps[Figures]:
    arguments = place.pool, place.photos, place.checkpoint("identity"), place.minutes["identity"]
    net, figures = yield from train_identity.train(*arguments)
    save_half(dict(net.state_dict()), place.out / "identity.safetensors")
    return figures


def _encoder(place: Place) -> Steps[Figures]:
    g = train_generator.load(place.checkpoint("generator"), SIZE)
    arguments = place.pool, place.checkpoint("encoder"), place.minutes["encoder"]
    net, figures = yield from train_encoder.train(*arguments, g)
    save_half(dict(net.state_dict()), place.out / "encoder.safetensors")
    return figures


def _photographs(place: Place) -> Steps[Figures]:
    """Goes on from the generator and the encoder in the pack."""
    from . import train_photographs

    pack = _pack(place)
    nets = train_photographs.Networks(pack.generator, pack.encoder, pack.perceptual, pack.pnorm)
    minutes = place.minutes["photographs"]
    figures = yield from train_photographs.train(
        place.pool, place.photos, place.checkpoint("photographs"), minutes, nets
    )
    save_half(nets.generator.state_dict() | {"latent_avg": nets.generator.w_mean}, place.out / "generator.safetensors")
    save_half(dict(nets.encoder.state_dict()), place.out / "encoder.safetensors")
    return report.generator_scores(nets.generator, place.pool) | figures


def _parser(place: Place) -> Steps[Figures]:
    from . import parser_scores, train_parser

    path, schedule = place.out / "parser.safetensors", train_parser.Schedule(minutes=place.minutes["parser"])
    start = networks.load("bisenet", path) if path.exists() else None
    parser = yield from train_parser.train(place.pool, place.photos, place.checkpoint("parser"), schedule, start)
    save_half(parser.net.state_dict(), path)
    return parser_scores.scores(parser, place.pool, place.photos)


def _regressor(place: Place) -> Steps[Figures]:
    from . import train_regressor

    minutes = place.minutes["regressor"]
    net = yield from train_regressor.train(place.pool, place.checkpoint("regressor"), minutes)
    save_half(dict(net.state_dict()), place.out / "regressor.safetensors")
    held = pool.load(place.pool, "p", "images", "theta", "landmarks", held_out=True)
    return train_regressor.brief(train_regressor.scores(net, *held))


def _clip(place: Place) -> Steps[Figures]:
    """With the phrases of its captions, see `styleclip.known_words`."""
    from ..world import captions
    from . import train_clip

    clip = yield from train_clip.train(place.pool, place.checkpoint("clip"), place.minutes["clip"])
    save_half(dict(clip.model.state_dict()), place.out / "clip.safetensors")
    (place.out / "captions.txt").write_text("\n".join(captions.phrases()) + "\n", encoding="utf-8")
    return train_clip.scores(clip, *pool.load(place.pool, "p", "images", held_out=True))


def _directions(place: Place) -> Steps[Figures]:
    from ..styleclip import resources
    from . import directions_table as precompute

    pack = _pack(place)
    clip = yield from resources.clip(pack)
    table = yield from precompute.precompute(pack, clip, place.out / "directions.safetensors")
    return {"channels": float(len(table.change))}


def _mappers(place: Place) -> Steps[Figures]:
    """One for each mapper that the manifest names."""
    from ..styleclip import prompts, resources
    from . import train_mapper

    pack, figures = _pack(place), {}
    clip = yield from resources.clip(pack)
    for role in [n.role for n in pack.manifest.networks.values() if n.kind == "mapper"]:
        prompt = role.removeprefix(resources.PREFIX).replace("_", " ")
        out = place.out / pack.manifest.networks[role].sources[0].file
        neutral = "hair" if prompt.endswith("hair") else prompts.NEUTRAL
        found = yield from train_mapper.train(pack, clip, prompt, out, neutral)
        out.with_suffix(".png").unlink(missing_ok=True)
        figures |= {f"{prompt}: {name}": value for name, value in found.items()}
    return figures


def _rig(place: Place) -> Steps[Figures]:
    from ..pie.face_reader import face_reader
    from ..pie.sample_bank import draw_samples
    from ..world import morphable_head as face_model
    from . import rig_scores, train_world_rig

    face_model.save(face_model.build(), place.out / "face_model.safetensors")
    pack = _pack(place)
    reader, arguments = face_reader(pack), (place.checkpoint("rig"), place.minutes["rig"])
    net, figures = yield from train_world_rig.train(pack.generator, reader.model, *arguments)
    save_half(net.state_dict(), place.out / "rignet.safetensors")
    held = yield from draw_samples(pack, reader, RIG_HELD_OUT, seed=pool.HELD_OUT_SEED)
    return figures | (yield from rig_scores.held_out(pack, reader, net, held))


def _pack(place: Place) -> Pack:
    """The pack with the networks trained so far."""
    from ..pack import open_pack

    write_manifest_hashes(place.out / "pack.toml")
    return open_pack(place.out / "pack.toml", device="cpu")


STAGES: dict[str, Stage] = {
    "generator": _generator,
    "perceptual": _perceptual,
    "identity": _identity,
    "encoder": _encoder,
    "photographs": _photographs,
    "parser": _parser,
    "regressor": _regressor,
    "clip": _clip,
    "directions": _directions,
    "mappers": _mappers,
    "rig": _rig,
}
"""In an order in which each stage finds the networks it needs."""


def train(place: Place, only: Collection[str] = tuple(STAGES)) -> Steps[dict[str, Figures]]:
    """Render the pool, then the stages in order; yields their steps.  Returns held-out figures by stage."""
    for seed, count in ((pool.HELD_OUT_SEED, pool.CHUNK), (0, PORTRAITS)):
        for i, _path in enumerate(pool.make(place.pool, count, SIZE, first_seed=seed)):
            yield Step("render", (i + 1) * pool.CHUNK, count)
    place.out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Figures] = {}
    for name, stage in STAGES.items():
        if name in only:
            figures[name] = yield from stage(place)
            write_manifest_hashes(place.out / "pack.toml")
    return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m barbershop_core.training.studio_pack", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack (holds pack.toml)")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path.home() / ".cache/barbershop-training",
        help="pool and checkpoints (about 1 GB)",
    )
    parser.add_argument("--photos", type=Path, help="folder with hair256.tar, faces192.tar, labels192.tar")
    parser.add_argument("--only", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--scale", type=float, default=1.0, help="factor of all training times")
    args = parser.parse_args()
    minutes = {name: value * args.scale for name, value in MINUTES.items()}
    began = time.monotonic()

    def show(step: Step) -> None:
        figures_now = " ".join(f"{k} {v:.4g}" for k, v in step.losses.items())
        print(f"{step.stage} {step.index}/{step.total} {figures_now}", flush=True)

    figures = run(train(Place(args.out, args.work, args.photos, minutes), args.only), show)
    command = f"python -m barbershop_core.training.studio_pack --out {args.out}"
    report.write(args.out / "REPORT.md", figures, {k: minutes[k] for k in args.only if k in minutes}, command)
    print(f"finished in {(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
