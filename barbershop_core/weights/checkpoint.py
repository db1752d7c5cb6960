"""Weight files of every published kind -> Python objects, without executing anything in them."""

from __future__ import annotations

import argparse
import hashlib
import pickle
import re
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import UnsafePickle, WeightCorrupt, WeightMissing
from . import copies, local, unpickle

REMEDY = "Download it again, or use the file that the pack's manifest names."
PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
KINDS = (".safetensors", *PICKLED, ".npz", ".npy")


def read(path: str | Path) -> Any:
    """What a weight file holds: usually a dict of tensors, or a dict of such dicts.

    .safetensors -> dict of tensors; .pt, .pth, .bin, .ckpt -> ``torch.load(weights_only=True)``;
    .pkl -> ``unpickle.load`` (persistent objects become ``unpickle.Record``); .npz -> dict of arrays;
    .npy -> array.  Everything lies on the CPU.  A copy that :func:`convert` made is read in a pickle's place.

    Raises errors.WeightMissing if there is no such file, errors.UnsafePickle if a pickle needs any code
    to be run, errors.WeightCorrupt if the file is truncated or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightMissing(f"The weight file '{path}' does not exist.", "Check the path, or download it.")
    kind = path.suffix.lower()
    readers = {".safetensors": _safetensors, ".pkl": _pickle, ".npz": _numpy, ".npy": _numpy}
    if kind not in KINDS:
        raise WeightCorrupt(f"'{path.name}' is not a supported kind of weight file.", f"Use one of {', '.join(KINDS)}.")
    try:
        if kind in PICKLED and (copy := copy_of(path)).is_file():
            with suppress(Exception):  # a damaged copy is no reason to refuse the file
                return copies.load(copy)
        return readers.get(kind, _torch)(path)
    except (UnsafePickle, MemoryError):
        raise
    except RecursionError as error:
        raise WeightCorrupt(f"The weight file '{path.name}' is nested too deeply.", REMEDY) from error
    except Exception as error:  # a damaged file may fail anywhere in the decoder
        raise WeightCorrupt(f"The weight file '{path.name}' is truncated or damaged.", REMEDY) from error


def convert(path: str | Path) -> bool:
    """Keep a copy of a pickled weight file as .safetensors beside the Hub's cache, once; returns whether it was made
    now.  Files of other kinds, and those that hold more than weights and plain values, are left alone.

    Under ZeroGPU's patched PyTorch pickles are reported not to load.  Raises as :func:`read` does.
    """
    path = Path(path)
    if path.suffix.lower() not in PICKLED or (copy := copy_of(path)).is_file():
        return False
    return copies.save(read(path), copy)


def copy_of(path: Path) -> Path:
    """Where the copy of a weight file is kept, by path, size and date of the file."""
    file = path.resolve()
    stat = file.stat()
    name = hashlib.sha256(f"{file}\n{stat.st_size}\n{stat.st_mtime_ns}".encode()).hexdigest()[:32]
    return local.cache_dir().parent / "barbershop-safetensors" / f"{name}.safetensors"


def _safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(path)


def _torch(path: Path) -> Any:
    try:
        # Training checkpoints hold their command-line options: plain attributes, nothing to run.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        text = str(error)
        # torch raises the same error for damaged files; those give "Unsupported operand"
        told = "Unsupported operand" not in text and ("nsupported" in text or "unrecognized" in text)
        if told and not _ends_in_a_name(path, text):
            raise UnsafePickle(f"The weight file '{path.name}' needs code to be run; nothing in it was run.") from error
        raise


def _ends_in_a_name(path: Path, error: str) -> bool:
    """Whether the name that an error complains of is the last thing in the file, which was cut off there."""
    found = re.search(r"GLOBAL (\S*)\.(\S*) was", error)
    if found is None:
        return False
    name = "\n".join(filter(None, found.groups())).encode()
    return path.read_bytes()[-300:-1].rstrip(b"\n").endswith(name)  # torch takes the last byte for the end of the line


def _pickle(path: Path) -> Any:
    with path.open("rb") as file:
        start = file.read(2)
        file.seek(0)
        if start == b"PK" and zipfile.is_zipfile(file):
            return _torch(path)
        file.seek(0)
        found = unpickle.load(file)
    return _torch(path) if isinstance(found, int) and found == torch.serialization.MAGIC_NUMBER else found


def _numpy(path: Path) -> Any:
    with path.open("rb") as file:
        found = np.load(file, allow_pickle=False)
        return found if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
