"""Train the studio pack: ``python -m barbershop_core.world.train --out assets/packs/studio``.

Renders the pool, then trains the networks one after the other, each time-boxed and resumable (stop it
and start the same command again), writes the pack's files in half precision and REPORT.md with the
held-out figures.  The photographs for the parser are optional (``--photos``).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..inversion.prior import PNorm
from ..manifest import write_manifest_hashes
from ..networks.stylegan2 import Generator
from ..progress import Step, run
from . import lending, pool, report, train_generator, train_nets

SIZE = 128
PORTRAITS = 16_000
MINUTES = {"generator": 110.0, "parser": 50.0, "identity": 15.0, "encoder": 20.0, "perceptual": 10.0}
"""Default time boxes on two idle CPU cores."""


def save_half(state: dict[str, Tensor], path: Path) -> None:
    """Floats in half precision, other tensors as they are, written in one go."""
    part = path.with_suffix(".part")
    save_file(
        {
            k: (v.half() if v.is_floating_point() else v).contiguous().clone()
            for k, v in state.items()
            if not k.endswith("num_batches_tracked")
        },
        part,
    )
    part.replace(path)


def load_generator(checkpoint: Path) -> Generator:
    """The generator as far as it has been trained, frozen."""
    channels = {r: c for r, c in train_generator.CHANNELS.items() if r <= SIZE}
    g = Generator(SIZE, train_generator.STYLE_DIM, 4, channels)
    g.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["generator"])
    state = train_generator.export(g.eval())
    g.load_state_dict({k: v for k, v in state.items() if k != "latent_avg"})
    return g.requires_grad_(False)


@torch.no_grad()
def pnorm(g: Generator) -> PNorm:
    """P-norm statistics from 20,000 seeded samples."""
    z = torch.randn(20_000, g.z_dim, generator=torch.Generator().manual_seed(5))
    return PNorm.fit(g.mapping(z))


def train(
    out: Path, work: Path, minutes: dict[str, float], photos: Path | None, only: list[str]
) -> Iterator[Step]:
    """All stages; yields their steps.  Returns the held-out figures by network."""
    from . import train_parser

    folder = work / "pool"
    for seed, count in ((pool.HELD_OUT_SEED, pool.CHUNK), (0, PORTRAITS)):
        for i, _path in enumerate(pool.make(folder, count, SIZE, first_seed=seed)):
            yield Step("render", (i + 1) * pool.CHUNK, count)
    out.mkdir(parents=True, exist_ok=True)
    figures: dict[str, dict[str, float]] = {}
    checkpoint = work / "generator.pt"
    if "generator" in only:
        yield from train_generator.train(
            folder, checkpoint, SIZE, train_generator.Schedule(minutes=minutes["generator"])
        )
        g = load_generator(checkpoint)
        save_half(g.state_dict() | {"latent_avg": g.w_mean}, out / "generator.safetensors")
        save_half(dict(pnorm(g).state_dict()), out / "pnorm.safetensors")
        matrix, explained = lending.lending(g)
        save_half({"matrix": matrix}, out / "lending.safetensors")
        figures["generator"] = report.generator_scores(g, folder) | {"hair's moves explained": explained}
    for name in ("perceptual", "identity", "encoder", "parser"):
        if name not in only:
            continue
        box = work / f"{name}.pt"
        if name == "parser":
            schedule = train_parser.Schedule(minutes=minutes[name])
            parser = yield from train_parser.train(folder, photos, box, schedule)
            figures[name] = train_parser.scores(parser, folder, photos)
            save_half(parser.net.state_dict(), out / "parser.safetensors")
            continue
        if name == "encoder":
            steps = train_nets.train_encoder(folder, box, minutes[name], load_generator(checkpoint))
        else:
            steps = getattr(train_nets, f"train_{name}")(folder, box, minutes[name])
        last: dict[str, float] = {}
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                net = stop.value
                break
            last = dict(step.losses) if step.stage.endswith("held out") else last
            yield step
        figures[name] = last
        if name == "perceptual":
            net = net.vgg
        save_half(dict(net.state_dict()), out / f"{name}.safetensors")
    write_manifest_hashes(out / "pack.toml")
    return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m barbershop_core.world.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pack (holds pack.toml)")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path.home() / ".cache/barbershop-training",
        help="pool and checkpoints (about 1 GB)",
    )
    parser.add_argument("--photos", type=Path, help="folder with hair256.tar, faces192.tar, labels192.tar")
    parser.add_argument("--only", nargs="+", choices=sorted(MINUTES), default=sorted(MINUTES))
    parser.add_argument("--scale", type=float, default=1.0, help="of all time boxes")
    args = parser.parse_args()
    minutes = {name: value * args.scale for name, value in MINUTES.items()}
    began = time.monotonic()

    def show(step: Step) -> None:
        figures_now = " ".join(f"{k} {v:.4g}" for k, v in step.losses.items())
        print(f"{step.stage} {step.index}/{step.total} {figures_now}", flush=True)

    figures = run(train(args.out, args.work, minutes, args.photos, args.only), show)
    command = f"python -m barbershop_core.world.train --out {args.out}"
    report.write(args.out / "REPORT.md", figures, {k: minutes[k] for k in args.only}, command)
    print(f"finished in {(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
