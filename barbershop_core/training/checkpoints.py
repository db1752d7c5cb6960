"""Checkpoints of trainings: written atomically, and resumed only by the training they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .. import atomic
from ..errors import WeightCorrupt


def save(path: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Write a checkpoint; an interrupted write leaves the previous one in place.

    state: tensors, numbers and strings, and dicts, lists and tuples of them.
    identity: what the training depends on (options, `digest` of the networks it uses), of the same types
        but for tensors.
    """
    with atomic.replacing(path) as partial:
        torch.save({"identity": dict(identity), "state": dict(state)}, partial)


def load(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """The state of a checkpoint, on the CPU; None if there is no file or its identity is another one.

    Raises WeightCorrupt if the file cannot be read.
    """
    if not path.is_file():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may fail anywhere in the decoder
        raise WeightCorrupt(f"The checkpoint {path} is damaged.", "Remove it and start again.") from error
    if not isinstance(saved, dict) or saved.get("identity") != identity:
        return None
    return saved["state"]


def digest(*networks: nn.Module) -> str:
    """SHA-256 of the networks' weights and buffers, in hexadecimal."""
    found = hashlib.sha256()
    for network in networks:
        for name, value in network.state_dict().items():
            found.update(name.encode())
            found.update(value.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()
