"""A pack like ``studio``, embedded in half precision, with tiny random networks: opened in a blink."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from barbershop_core.inversion.prior import PNorm
from barbershop_core.networks import clip
from barbershop_core.networks.arcface import ArcFace
from barbershop_core.networks.bisenet import BiSeNet
from barbershop_core.networks.e4e import Encoder4Editing
from barbershop_core.networks.mapper import Mapper
from barbershop_core.networks.stylegan2 import Generator
from barbershop_core.networks.vgg import VGG16Features
from barbershop_core.weights.manifest import PACKS, write_manifest_hashes

DIM = 16


def write_small_pack(folder: Path, size: int = 64, seed: int = 0) -> Path:
    """Write manifest and networks into ``folder``; returns the manifest's path.

    The generator makes ``size`` px from codes of 16 numbers.  Nothing looks like a face.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    widths = {r: 16 if r <= 32 else 8 for r in (4, 8, 16, 32, 64, 128, 256) if r <= size}
    generator = Generator(size, DIM, 2, widths)
    w = generator.mapping(torch.randn(2000, DIM))
    flat = generator.checkpoint()
    vgg = VGG16Features((4, 6, 8, 8, 8)).state_dict()
    heads = {f"heads.{k}": torch.full((width,), 0.2) for k, width in enumerate((4, 6, 8, 8, 8))}
    statistics = PNorm.fit(w)
    files = {
        "generator": {**flat["g_ema"], "latent_avg": w.mean(0)},
        "parser": BiSeNet(19, (8, 8, 16, 16), (1, 1, 1, 1)).state_dict(),
        "identity": ArcFace((8, 12, 16, 20), (1, 1, 1, 1), embedding=32, reduction=4).state_dict(),
        "encoder": Encoder4Editing(
            generator.n_latent, DIM, (8, 12, 16, 20), (1, 1, 1, 1), 64, reduction=4
        ).state_dict(),
        "perceptual": {**vgg, **heads},
        "pnorm": {"mean": statistics.mean, "components": statistics.components, "stdev": statistics.stdev},
    } | _words(generator)
    for name, state in files.items():
        half = name not in ("pnorm", "directions")
        tensors = {
            k: (v.half() if half and v.is_floating_point() else v).detach().contiguous().clone()
            for k, v in state.items()
        }
        save_file(tensors, folder / f"{name}.safetensors")
    text = (PACKS / "studio" / "pack.toml").read_text(encoding="utf-8")
    text = text[: text.index("# MediaPipe's file")]  # the last of the pack: nothing here looks like a face
    text = text.replace('name = "studio"', 'name = "small"').replace("\nsize = 128", f"\nsize = {size}")
    (folder / "pack.toml").write_text(text.replace("input_size = 128", "input_size = 64"), encoding="utf-8")
    return write_manifest_hashes(folder).path


def _words(generator: Generator) -> dict[str, dict[str, torch.Tensor]]:
    """A tiny CLIP, a table of directions and a mapper."""
    vision = {"layers": (1, 1, 1, 1), "width": 8, "patch_size": None, "image_size": 32}
    text = {"context_length": 24, "vocab_size": 1000, "width": 64, "heads": 1, "layers": 1}
    styles = generator.styles(generator.mapping(torch.randn(500, DIM)))
    std, widths = torch.cat(styles, 1).std(0), [s.shape[1] for s in styles]
    channels = sum(w for k, w in enumerate(widths) if k % 3 != 1)
    change = torch.nn.functional.normalize(torch.randn(channels, 16), dim=1)
    mapper = {f"mapper.{k}": v for k, v in Mapper(DIM).state_dict().items()}
    return {
        "clip": clip.build(16, vision, text).model.state_dict(),
        "directions": {"change": change, "std": std, "widths": torch.tensor(widths)},
        "mapper_curly_hair": mapper,
    }
