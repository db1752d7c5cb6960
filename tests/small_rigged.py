"""What the rig needs, added to a pack of small_pack: the studio's 3D face, a tiny random RigNet."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_words import ROLE

from barbershop_core import networks
from barbershop_core.networks.rignet import RigNet
from barbershop_core.weights.manifest import PACKS, write_manifest_hashes


def add_rig(manifest: Path, seed: int = 0) -> Path:
    """Add face model, regressor and RigNet; returns the manifest's path."""
    folder = manifest.parent
    for role in ("face_model", "regressor"):
        shutil.copy(PACKS / "studio" / f"{role}.safetensors", folder)
    torch.manual_seed(seed)
    generator = networks.load("stylegan2", folder / "generator.safetensors")
    model = networks.load("face_model", folder / "face_model.safetensors")
    sizes = {"pose": 3, "expression": model.sizes["expression"], "light": 27}
    rig = RigNet(generator.n_latent, generator.style_dim, sizes, 4, 8)
    for net in rig.tau.values():
        torch.nn.init.normal_(net.straight.weight, std=0.3)  # moves something that can be seen
    save_file({k: v.detach().contiguous() for k, v in rig.state_dict().items()}, folder / "rignet.safetensors")
    words = manifest.read_text(encoding="utf-8")
    for role in ("face_model", "regressor", "rignet"):
        if f"[networks.{role}]" not in words:
            words += ROLE.format(role=role, kind=role)
    manifest.write_text(words, encoding="utf-8")
    return write_manifest_hashes(folder).path
