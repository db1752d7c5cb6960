"""What the edits by words need, tiny and random, added to a pack of small_pack."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from barbershop_core import networks
from barbershop_core.networks import clip
from barbershop_core.networks.mapper import LEVELS, Mapper
from barbershop_core.styleclip.directions import convolutions
from barbershop_core.weights.manifest import write_manifest_hashes

ROLE = """
[networks.{role}]
kind = "{kind}"
layout = "small"
need = "optional"
purpose = "for tests"
licence = "MIT"

[[networks.{role}.sources]]
file = "{role}.safetensors"
"""


def add_words(manifest: Path, seed: int = 0) -> Path:
    """Add CLIP, a table of directions and the mapper "curly hair"; returns the manifest's path."""
    folder = manifest.parent
    torch.manual_seed(seed)
    generator = networks.load("stylegan2", folder / "generator.safetensors")
    widths = [style.shape[1] for style in generator.styles(generator.w_mean[None])]
    vision = {"layers": 1, "width": 64, "patch_size": 32, "image_size": 64}
    text = {"context_length": 32, "vocab_size": 600, "width": 64, "heads": 1, "layers": 1}
    small = clip.build(32, vision, text)
    channels = sum(widths[k] for k in convolutions(len(widths)))
    table = {"change": torch.randn(channels, 32), "std": torch.rand(sum(widths)) + 0.1, "widths": torch.tensor(widths)}
    mapper = Mapper(generator.style_dim, tuple(LEVELS)).state_dict()
    files = {
        "clip": ("clip", small.model.state_dict()),
        "directions": ("directions", table),
        "mapper_curly_hair": ("mapper", mapper),
    }
    words = manifest.read_text(encoding="utf-8")
    for role, (kind, state) in files.items():
        save_file({k: v.detach().contiguous().clone() for k, v in state.items()}, folder / f"{role}.safetensors")
        if f"[networks.{role}]" not in words:
            words += ROLE.format(role=role, kind=kind)
    manifest.write_text(words, encoding="utf-8")
    return write_manifest_hashes(folder).path
