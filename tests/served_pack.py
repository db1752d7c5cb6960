"""A complete random-weight pack in the published FFHQ layouts, served by a local Hub.

Networks of the published widths (1024 px StyleGAN2, BiSeNet 19, IR-SE50, VGG16, P-norm statistics and, when
asked for, e4e) under the repository names of the ``ffhq`` manifest.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from conformance import weights
from hub_server import HubServer
from safetensors.torch import save_file

from barbershop_core.networks.vgg import VGG16Features
from barbershop_core.weights.manifest import Network, Source, read_manifest

CONFORMANCE = Path(__file__).parent / "conformance"
LAYOUTS = {
    "generator": "stylegan2_rosinality_1024",
    "parser": "bisenet_19",
    "identity": "arcface_irse50",
    "encoder": "e4e_encoder_1024",
}
ROLES = ("generator", "parser", "identity", "perceptual", "pnorm")


@dataclass(frozen=True)
class ServedPack:
    """manifest: path of its pack.toml; cache: the Hub cache that downloads go to; server: see hub_server."""

    manifest: Path
    cache: Path
    server: HubServer


def write_weights(role: str, path: Path, seed: int = 7) -> None:
    """Random weights of one role as the published file holds them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if role in LAYOUTS:
        torch.save(weights.checkpoint(str(CONFORMANCE / LAYOUTS[role]), seed), path)
    elif role == "perceptual":  # the classifier, which nobody needs, is short here
        torch.manual_seed(seed)
        save_file({**VGG16Features().state_dict(), "head.fc.weight": torch.zeros(10, 8)}, path)
    else:
        rng = np.random.default_rng(seed)
        components, _ = np.linalg.qr(rng.standard_normal((512, 512)))
        data = io.BytesIO()
        np.savez(
            data,
            X_mean=rng.standard_normal(512).astype(np.float32),
            X_comp=components,
            X_stdev=np.linspace(2, 0.05, 512),
            X_var_ratio=np.full(512, 1 / 512),
        )
        path.write_bytes(data.getvalue())


def write_manifest(path: Path, networks: list[Network], size: int = 1024, cpu_size: int | None = 256) -> Path:
    """A manifest of the given networks, as TOML."""
    lines = ["format = 1", "[pack]", 'name = "served"', f"size = {size}"]
    lines += [f"cpu_size = {cpu_size}"] if cpu_size else []
    for network in networks:
        lines.append(f"[networks.{network.role}]")
        lines += [f'{k} = "{getattr(network, k)}"' for k in ("kind", "need", "licence", "layout", "table")]
        lines += [f"input_size = {network.input_size}"] if network.input_size else []
        for source in network.sources:
            lines.append(f"[[networks.{network.role}.sources]]")
            lines += [f"{k} = {v!r}".replace("'", '"') for k, v in vars(source).items() if v]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def serve(folder: Path, server: HubServer, roles=ROLES, cpu_size: int | None = 256) -> Path:
    """Write what is not there yet into ``folder``, serve it, and return the manifest's path."""
    shipped, networks = read_manifest("ffhq").networks, []
    for role in roles:
        first = shipped[role].sources[0]
        path = folder / "files" / role / Path(first.file).name
        if not path.exists():
            write_weights(role, path)
        served = server.add(first.repo, first.file, path, repo_type=first.repo_type, cdn=True)
        source = Source(first.file, first.repo, first.repo_type, size=served.size, sha256=served.sha256)
        networks.append(replace(shipped[role], sources=(source,)))
    return write_manifest(folder / "pack.toml", networks, cpu_size=cpu_size)
