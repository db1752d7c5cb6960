"""Reads NVIDIA's network pickles without running anything in them.

A pickle is a program that may call any importable function.  Here it can only call the few stand-ins
below, which build plain data; any other name is refused before anything is called.  NVIDIA's files hold
persistent objects (torch_utils/persistence.py in NVlabs/stylegan2-ada-pytorch): a class name, the source
text of its module, which their loader executes, and the object's state.  We keep the class name and the
state.
"""

from __future__ import annotations

import io
import pickle
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import torch

from ..errors import UnsafePickle, WeightCorrupt

STORAGE_TYPES = (torch.UntypedStorage, torch.storage.TypedStorage)
MOST_LEVELS = 20  # of nested modules, dicts and lists
PLAIN_DTYPE = re.compile(r"[<>|=]?[biuf?c]\d{0,2}")


@dataclass
class Record:
    """A persistent object reduced to data: ``state`` is its ``__dict__``."""

    class_name: str
    state: dict[str, Any] = field(default_factory=dict)

    def tensors(self, prefix: str = "") -> dict[str, torch.Tensor]:
        """Parameters and buffers by dotted name, as ``Module.state_dict()`` would give them.

        Raises errors.WeightCorrupt for modules nested too deeply.
        """
        found = {}
        if prefix.count(".") > MOST_LEVELS:
            raise WeightCorrupt("This pickle's modules are nested too deeply.", UnsafePickle.remedy)
        hidden = self.state.get("_non_persistent_buffers_set") or ()
        for kind in ("_parameters", "_buffers"):
            for name, value in (self.state.get(kind) or {}).items():
                if isinstance(value, torch.Tensor) and name not in hidden:
                    found[prefix + str(name)] = value
        for name, child in (self.state.get("_modules") or {}).items():
            if isinstance(child, Record):
                found |= child.tensors(f"{prefix}{name}.")
        return found

    def module(self, path: str) -> Record | None:
        """The sub-module of a dotted path."""
        here: Any = self
        for name in path.split("."):
            here = (here.state.get("_modules") or {}).get(name) if isinstance(here, Record) else None
        return here if isinstance(here, Record) else None


class _Dtype:
    """Stands in for numpy.dtype of a number; the byte order is set as its state."""

    def __init__(self, name):
        if not isinstance(name, str) or not PLAIN_DTYPE.fullmatch(name):
            raise UnsafePickle("This pickle holds a numpy type other than plain numbers.")
        self.name = name

    def __setstate__(self, state):
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">"):
            self.name = state[1] + self.name.lstrip("<>|=")


class _Array:
    """Stands in for numpy.ndarray, whose content is set as its state; ``value`` is the array."""

    value: np.ndarray | None = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, raw = state
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        flat = np.frombuffer(raw, np.dtype(dtype.name))
        self.value = flat.reshape(shape, order="F" if fortran else "C").copy()


def _stand_ins() -> dict[tuple[str, str], Any]:
    """What a pickle may call, by module and name.  Made for each file, so that no file can alter them."""

    def reconstruct(meta):
        state = meta.get("state")
        return Record(str(meta.get("class_name", "")), state if isinstance(state, dict) else {})

    def storage(raw):
        # The storage inside is a torch.save stream of its own: a second pickle, restricted by torch.
        found = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
        if not isinstance(found, STORAGE_TYPES):
            raise ValueError("a tensor's storage is something else")
        return found

    def tensor(storage, offset, size, stride, *_):
        if not isinstance(storage, STORAGE_TYPES):
            raise ValueError("a tensor's storage is something else")
        whole = torch.empty(0, dtype=getattr(storage, "dtype", torch.uint8)).set_(storage)
        return torch.as_strided(whole, tuple(size), tuple(stride), int(offset)).clone()  # checks the bounds

    def parameter(data, *_):
        return data

    def scalar(dtype, raw=b""):
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        return np.frombuffer(raw, np.dtype(dtype.name))[0].item()

    def dtype(name, *_):
        return _Dtype(name)

    def array(*_):
        return _Array()

    def encode(text, *_):
        return text.encode("latin1")  # how protocol 2 writes bytes

    names = {
        ("collections", "OrderedDict"): OrderedDict,
        ("dnnlib.util", "EasyDict"): dict,
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): reconstruct,
        ("torch.storage", "_load_from_bytes"): storage,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("numpy", "dtype"): dtype,
        ("numpy", "ndarray"): array,  # only ever an argument of _reconstruct
        ("_codecs", "encode"): encode,
    }
    for package in ("numpy.core.multiarray", "numpy._core.multiarray"):
        names[package, "scalar"] = scalar
        names[package, "_reconstruct"] = array
    for module in ("builtins", "__builtin__"):
        names[module, "set"] = set
        names[module, "frozenset"] = frozenset
    return names


class Unpickler(pickle.Unpickler):
    """``pickle.Unpickler`` that finds only the stand-ins."""

    def __init__(self, file: BinaryIO):
        super().__init__(file, encoding="latin1")
        self._names = _stand_ins()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in self._names:
            return self._names[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise UnsafePickle(
            f"This pickle asks for '{module}.{name}', which is not among the names that "
            "network weights need; nothing in it was run."
        )

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafePickle("This pickle refers to objects outside of itself; nothing in it was run.")


def plain(value: Any, depth: int = 0) -> Any:
    """Numpy stand-ins replaced by what they stand for, in nested dicts, lists and tuples."""
    if isinstance(value, _Array):
        return value.value
    if depth < MOST_LEVELS and isinstance(value, dict):
        return {k: plain(v, depth + 1) for k, v in value.items()}
    if depth < MOST_LEVELS and isinstance(value, (list, tuple)):
        return type(value)(plain(v, depth + 1) for v in value)
    return value


def load(file: BinaryIO) -> Any:
    """The pickle's object, with ``Record`` for persistent objects.

    Raises errors.UnsafePickle for any name outside the list, and whatever the standard library raises for
    a file that is truncated or not a pickle.
    """
    return plain(Unpickler(file).load())
