"""The small pack with everything that the rig needs: the world's face model, random regressor and RigNet."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from small_pack import DIM, write_small_pack

from barbershop_core.networks.regressor import Regressor
from barbershop_core.networks.rignet import RigNet
from barbershop_core.weights.manifest import PACKS, write_manifest_hashes

SIZES = {"pose": 3, "expression": 5, "light": 27}


def regressor(seed: int = 3) -> Regressor:
    """Random, but for landmarks where a face has them, so that faces can be drawn."""
    from barbershop_core.networks import load
    from barbershop_core.world.morphable_head import theta_of

    torch.manual_seed(seed)
    net = Regressor((16, 16, 16, 16, 16), 12)
    model = load("face_model", PACKS / "studio" / "face_model.safetensors")
    net.landmarks_mean.copy_(model.shares(theta_of(model, torch.zeros(1, 50)))[0])
    net.landmarks_std.fill_(0.001)
    gamma = theta_of(model, torch.zeros(1, 50)).light.reshape(3, 9).T.reshape(-1)
    net.theta_mean[-27:] = gamma
    net.theta_std[-27:] = 0.05
    return net


def write_small_rig(folder: Path, size: int = 64, rig: bool = True) -> Path:
    """As `write_small_pack`; rig: with RigNet."""
    path = write_small_pack(folder, size)
    shutil.copy(PACKS / "studio" / "face_model.safetensors", folder)
    save_file(
        {k: v.contiguous().clone() for k, v in regressor().state_dict().items()}, folder / "regressor.safetensors"
    )
    if rig:
        torch.manual_seed(5)
        net = RigNet(2 * (size.bit_length() - 1) - 2, DIM, SIZES, encoded=4, hidden=6)
        save_file({k: v.detach().clone() for k, v in net.state_dict().items()}, folder / "rignet.safetensors")
    return write_manifest_hashes(path).path
