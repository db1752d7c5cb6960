"""A complete pack of random weights in the layouts of ``ffhq``, on disk.

Every file has the container, names and shapes of the published one.  Left out is what is never read: the
generators inside e4e's and the mappers' files, VGG16's classifier.  The two largest networks, e4e and CLIP, are
stored in half precision, so that the whole takes 1.5 GB instead of 2.3.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ..editing.regions import TABLES
from ..inversion.prior import PNorm
from ..networks.mapper import LEVELS, Mapper
from ..progress import Step, Steps
from ..styleclip.directions import convolutions
from ..weights.manifest import PACKS, Manifest, Network, read_manifest
from . import random_networks as networks
from .random_networks import Sizes

NAME = "rehearsal"
SEEN = 8
"""Generated pictures on which networks are settled."""

Writers = dict[str, tuple[str, Callable[[Path], None]]]
"""Role -> the file's name and what writes it."""


def write_pack(
    folder: Path, sizes: Sizes | None = None, seed: int = 0, like: str = "ffhq", without: Collection[str] = ()
) -> Steps[Path]:
    """Write the networks of the pack ``like`` at random, and a manifest that names them; returns its path.

    Of the mappers only "afro" (two levels) and "beyonce" (three) are written.  The landmarker is the studio's,
    because it is not a random network that finds faces in photos.  without: roles that are left out.
    Yields the stage "write weights".
    """
    sizes = sizes or Sizes()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = read_manifest(like)
    writers = _writers(model, sizes, seed)
    blocks = [_head(model, sizes)]
    roles = [role for role in model.networks if role in writers and role not in without]
    trained = [network for network in model.networks.values() if network.sources[0].trained]
    for number, role in enumerate(roles, 1):
        name, write = writers[role]
        yield Step("write weights", number - 1, len(roles))
        write(folder / name)
        blocks.append(_entry(model.networks[role], name))
    blocks += [_entry(network, network.sources[0].file) for network in trained]
    path = folder / "pack.toml"
    path.write_text("\n".join(blocks), encoding="utf-8")
    yield Step("write weights", len(roles), len(roles))
    return path


def _head(model: Manifest, sizes: Sizes) -> str:
    words = f"""# Random weights in the layouts of '{model.name}', made by: python -m barbershop_core rehearse
format = 1

[pack]
name = "{NAME}"
title = "Rehearsal"
summary = "Random weights: no faces, but every layout, shape and size of '{model.name}'."
size = {sizes.size}
"""
    return words + (f"cpu_size = {model.cpu_size}\n" if model.cpu_size and model.cpu_size < sizes.size else "")


def _entry(network: Network, name: str) -> str:
    source = network.sources[0]
    keys = {"kind": network.kind, "layout": source.layout or network.layout, "need": network.need}
    keys |= {"table": source.table or network.table, "purpose": network.purpose, "licence": "random weights: MIT"}
    lines = [f'{key} = "{value}"' for key, value in keys.items() if value]
    if size := source.input_size or network.input_size:
        lines.append(f"input_size = {size}")
    role = f"networks.{network.role}"
    file = [f'file = "{name}"'] + ([f'trained = "{source.trained}"'] if source.trained else [])
    return "\n".join([f"[{role}]", *lines, "", f"[[{role}.sources]]", *file, ""])


def _writers(model: Manifest, sizes: Sizes, seed: int) -> Writers:
    """What writes each role; the generator is made at once, because others are settled on its pictures."""
    made = networks.generator(sizes)
    seen = networks.pictures(made, SEEN)
    rng = np.random.default_rng(seed)
    table = TABLES[model.networks["parser"].table or "celebamask19"]

    def encoder(path: Path) -> None:
        state = networks.encoder(sizes, made, seen).state_dict()
        mean = state.pop("latent_avg")
        state = {f"encoder.{name}": value for name, value in state.items()}
        options = {"encoder_type": "Encoder4Editing", "start_from_latent_avg": True, "stylegan_size": sizes.size}
        torch.save({"state_dict": _half(state), "latent_avg": mean, "opts": options}, path)

    def pnorm(path: Path) -> None:
        with torch.no_grad():
            found = PNorm.fit(made.mapping(torch.randn(20_000, made.z_dim)))
        parts = {"X_mean": found.mean, "X_comp": found.components, "X_stdev": found.stdev}
        np.savez(path, **{name: part.numpy() for name, part in parts.items()})

    def directions(path: Path) -> None:
        widths = [s.shape[1] for s in made.styles(made.w_mean[None])]
        rows = sum(widths[k] for k in convolutions(len(widths)))
        np.save(path, networks.relative_changes(rows, sizes(512)[0]).half().numpy())

    def style_statistics(path: Path) -> None:
        with torch.no_grad():
            styles = made.styles(made.mapping(torch.randn(2000, made.z_dim)))
        lists = [[s.mean(0).numpy() for s in styles], [s.std(0).numpy() for s in styles]]
        path.write_bytes(pickle.dumps(lists, protocol=2))

    def mapper(levels: tuple[str, ...]) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            state = {f"mapper.{k}": v for k, v in Mapper(made.style_dim, levels).state_dict().items()}
            torch.save({"state_dict": state, "opts": {"no_fine_mapper": len(levels) < len(LEVELS)}}, path)

        return write

    def face_model(path: Path) -> None:
        np.save(path, np.array(networks.face_model(sizes, rng), dtype=object), allow_pickle=True)

    def landmarker(path: Path) -> None:
        shutil.copy(PACKS / "studio" / "face_landmarker.task", path)

    return {
        "generator": ("ffhq.pt", lambda path: torch.save(made.checkpoint(), path)),
        "parser": ("79999_iter.pth", lambda path: torch.save(networks.parser(sizes, seen, table).state_dict(), path)),
        "identity": ("model_ir_se50.pth", lambda path: torch.save(networks.identity(sizes, seen).state_dict(), path)),
        "encoder": ("e4e_ffhq_encode.pt", encoder),
        "perceptual": ("vgg16.safetensors", lambda path: _save(networks.perceptual(sizes).state_dict(), path)),
        "pnorm": ("ffhq_PCA.npz", pnorm),
        "landmarker": ("face_landmarker.task", landmarker),
        "clip": (
            "open_clip_model.safetensors",
            lambda path: _save(_half(networks.words(sizes).model.state_dict()), path),
        ),
        "directions": ("fs3.npy", directions),
        "style_statistics": ("S_mean_std", style_statistics),
        "mapper_afro": ("afro.pt", mapper(("course_mapping", "medium_mapping"))),
        "mapper_beyonce": ("beyonce.pt", mapper(tuple(LEVELS))),
        "face_model": ("face_model.npy", face_model),
        "regressor": (
            "epoch_20.pth",
            lambda path: torch.save({"net_recon": networks.regressor(seen).state_dict()}, path),
        ),
    }


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.half() if value.is_floating_point() else value for name, value in state.items()}


def _save(state: dict[str, Tensor], path: Path) -> None:
    save_file({name: value.detach().contiguous().clone() for name, value in state.items()}, path)
