"""What a pickled weight file holds, as .safetensors: tensors by number, and a tree in the file's header.

The tree is JSON.  Plain values stand for themselves, everything else is {kind: content}.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from .. import atomic
from .unpickle import Record

Json = Any


class _NotPlain(Exception):
    """The object holds something else than weights and plain values."""


def save(value: Any, path: Path) -> bool:
    """Write ``value``, atomically; returns False where it holds something else than tensors, arrays, plain values,
    dicts, lists, tuples, argparse.Namespace and Record."""
    tensors: dict[str, torch.Tensor] = {}
    try:
        tree = json.dumps(_tree(value, tensors))
    except _NotPlain:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic.replacing(path) as partial:
        save_file(tensors, partial, {"tree": tree})
    return True


def load(path: Path) -> Any:
    """What was saved; tensors lie on the CPU.  Raises whatever a damaged file makes safetensors or json raise."""
    with safe_open(path, framework="pt") as file:
        return _value(json.loads(file.metadata()["tree"]), file.get_tensor)


def _tree(value: Any, tensors: dict[str, torch.Tensor]) -> Json:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (torch.Tensor, np.ndarray)):
        array = isinstance(value, np.ndarray)
        if array and value.dtype.kind not in "biuf":
            raise _NotPlain
        name = str(len(tensors))
        tensors[name] = (torch.from_numpy(value.copy()) if array else value.detach().clone()).contiguous()
        return {"array" if array else "tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_tree(k, tensors), _tree(v, tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list" if isinstance(value, list) else "tuple": [_tree(v, tensors) for v in value]}
    if isinstance(value, argparse.Namespace):
        return {"namespace": _tree(vars(value), tensors)}
    if isinstance(value, Record):
        return {"record": [value.class_name, _tree(value.state, tensors)]}
    raise _NotPlain


def _value(tree: Json, tensor) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((kind, held),) = tree.items()
    if kind in ("tensor", "array"):
        return tensor(held) if kind == "tensor" else tensor(held).numpy()
    if kind == "dict":
        return {_value(k, tensor): _value(v, tensor) for k, v in held}
    if kind == "namespace":
        return argparse.Namespace(**_value(held, tensor))
    if kind == "record":
        return Record(held[0], _value(held[1], tensor))
    values = [_value(v, tensor) for v in held]
    return values if kind == "list" else tuple(values)
