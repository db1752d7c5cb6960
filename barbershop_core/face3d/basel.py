"""Basel face models from their published files.

- ``BFM_model_front.mat``: Deep3DFaceRecon's cut of the Basel Face Model 2009 with an expression basis.
- ``face_model.npy``: 3DDFA-V3's, the same model as a pickled dictionary, read without executing it.
- ``01_MorphableModel.mat``: the 2009 model itself, whole head, no expressions and no landmarks.

The models belong to the University of Basel: registration, no commercial use.  None is included here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UnsafePickle, WeightCorrupt, WeightMissing
from ..weights import unpickle
from .harmonics import NORMS
from .morphable import Convention, Morphable
from .theta import Theta

COEFFICIENTS = 80  # of the 2009 model's 199, as is usual
REMEDY = "Give BFM_model_front.mat, 01_MorphableModel.mat or 3DDFA-V3's face_model.npy."

# The convention of Deep3DFaceRecon's class ParametricFaceModel.
DEEP3D = Convention(focal=1015.0 / 224.0, distance=10.0, order="zyx", row_offset=1.0)


def load(path: str | Path) -> Morphable:
    """A Basel model.  Raises errors.WeightMissing, WeightCorrupt, UnsafePickle."""
    path = Path(path)
    if not path.is_file():
        raise WeightMissing(f"There is no face model {path}.", REMEDY)
    if path.suffix == ".npy":
        return from_3ddfa(read_npy(path))
    try:
        from scipy.io import loadmat

        found = loadmat(path)
    except Exception as error:  # scipy may raise anything
        raise WeightCorrupt(f"The face model '{path.name}' is incomplete or damaged.", REMEDY) from error
    if "shapeMU" in found:
        return from_bfm09(found)
    return from_deep3d(found)


def from_deep3d(mat: Mapping[str, Any]) -> Morphable:
    """``BFM_model_front.mat`` as scipy reads it: indices from 1, colours in 0..255."""
    _require(mat, "meanshape", "idBase", "exBase", "meantex", "texBase", "tri", "point_buf")
    mean = _array(mat["meanshape"]).reshape(-1, 3)
    keypoints = np.asarray(mat["keypoints"]).reshape(-1).astype(np.int64) - 1 if "keypoints" in mat else None
    return _model(
        mean - mean.mean(0),
        mat["idBase"],
        mat["exBase"],
        mat["meantex"],
        mat["texBase"],
        np.asarray(mat["tri"]).astype(np.int64) - 1,
        np.asarray(mat["point_buf"]).astype(np.int64) - 1,
        keypoints,
    )


def from_3ddfa(data: Mapping[str, Any]) -> Morphable:
    """``face_model.npy``'s dictionary: indices from 0, colours in 0..255, shape centred already."""
    _require(data, "u", "id", "exp", "u_alb", "alb", "tri", "point_buf", "ldm68")
    return _model(
        _array(data["u"]).reshape(-1, 3),
        data["id"],
        data["exp"],
        data["u_alb"],
        data["alb"],
        np.asarray(data["tri"]).astype(np.int64),
        np.asarray(data["point_buf"]).astype(np.int64),
        np.asarray(data["ldm68"]).reshape(-1).astype(np.int64),
    )


def from_bfm09(mat: Mapping[str, Any]) -> Morphable:
    """``01_MorphableModel.mat``: micrometres become units of 100 mm, coefficients unit variance."""
    _require(mat, "shapeMU", "shapePC", "shapeEV", "texMU", "texPC", "texEV", "tl")
    micrometres = 1e5
    mean = _array(mat["shapeMU"]).reshape(-1, 3) / micrometres
    count = min(COEFFICIENTS, np.asarray(mat["shapePC"]).shape[1])
    identity = _array(mat["shapePC"])[:, :count] * _array(mat["shapeEV"]).reshape(-1)[:count] / micrometres
    texture = _array(mat["texPC"])[:, :count] * _array(mat["texEV"]).reshape(-1)[:count]
    faces = np.asarray(mat["tl"]).astype(np.int64) - 1
    middle = mean - mean.mean(0)
    a, b, c = (middle[faces[:, k]] for k in range(3))
    if (np.cross(b - a, c - a) * (a + b + c)).sum() < 0:  # clockwise in the file
        faces = faces[:, [0, 2, 1]]
    return _model(middle, identity, np.zeros((mean.size, 0)), mat["texMU"], texture, faces, None, None)


def read_npy(path: Path) -> dict[str, Any]:
    """The dictionary in a pickled .npy file; only arrays, numbers, strings, lists and dicts are created.

    Raises errors.UnsafePickle for anything else, errors.WeightCorrupt.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = getattr(np.lib.format, f"read_array_header_{version[0]}_{version[1]}")
            dtype = reader(file)[2]
            if not dtype.hasobject:
                raise ValueError("no dictionary")
            found = _Unpickler(file).load()
        while isinstance(found, _Objects):
            found = _plain(found)
        return {str(k): _plain(v) for k, v in found.items()}
    except (UnsafePickle, MemoryError):
        raise
    except Exception as error:  # a damaged file may fail anywhere in the decoder
        raise WeightCorrupt(f"The face model '{path.name}' is incomplete or damaged.", REMEDY) from error


class _Objects:
    """A numpy.ndarray of numbers, or of one dictionary (the outermost object of the file)."""

    value: Any = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, raw = state
        if isinstance(raw, list):
            self.value = raw[0] if len(raw) == 1 and tuple(shape) == () else raw
            return
        raw = raw.encode("latin1") if isinstance(raw, str) else raw
        self.value = np.frombuffer(raw, np.dtype(dtype.name)).reshape(shape, order="FC"[not fortran]).copy()


class _Dtype(unpickle._Dtype):
    def __init__(self, name, *_):
        if name in ("O8", "O4", "O"):
            self.name = "O"  # used only for lists
        else:
            super().__init__(name)


class _Unpickler(unpickle.Unpickler):
    """The restricted reader of :mod:`barbershop_core.weights.unpickle`, with arrays of objects."""

    def find_class(self, module: str, name: str) -> Any:
        if name == "_reconstruct" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return lambda *_: _Objects()
        if (module, name) == ("numpy", "dtype"):
            return _Dtype
        return super().find_class(module, name)


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, _Objects) else value


def _model(mean, identity, expression, albedo, texture, faces, neighbours, keypoints) -> Morphable:
    state = {
        "mean": _tensor(mean).reshape(-1),
        "identity": _tensor(identity),
        "expression": _tensor(expression),
        "albedo": _tensor(albedo).reshape(-1) / 255,
        "texture": _tensor(texture) / 255,
        "faces": torch.from_numpy(np.ascontiguousarray(faces)),
        "light_scale": _light_scale(),
        "light_offset": _light_scale() * torch.tensor([0.8] + [0.0] * 8),
    }
    vertices = state["mean"].numel() // 3
    rows = {name: len(state[name]) for name in ("identity", "expression", "albedo", "texture")}
    if set(rows.values()) != {3 * vertices} or faces.max() >= vertices or faces.min() < 0:
        raise WeightCorrupt("The face model's arrays do not fit together.", REMEDY)
    if neighbours is not None:
        state["neighbours"] = torch.from_numpy(np.ascontiguousarray(neighbours))
    if keypoints is not None:
        rows = torch.from_numpy((3 * keypoints[:, None] + np.arange(3)).reshape(-1))
        state |= {f"landmark_{name}": state[name][rows] for name in ("mean", "identity", "expression")}
    return Morphable(state, DEEP3D)


def _light_scale() -> Tensor:
    """Deep3DFaceRecon's factors and signs relative to the orthonormal harmonics [9]."""
    a = (math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8))
    c = (1 / math.sqrt(4 * math.pi), math.sqrt(3 / (4 * math.pi)), 3 * math.sqrt(5 / (12 * math.pi)))
    one, two = a[1] * c[1] / NORMS[1], a[2] * c[2] / NORMS[2]
    zonal = a[2] * c[2] / (2 * math.sqrt(3)) / NORMS[3]
    sectoral = a[2] * c[2] / 2 / NORMS[4]
    return torch.tensor([a[0] * c[0] / NORMS[0], -one, one, -one, two, -two, zonal, -two, sectoral])


def _require(found: Mapping[str, Any], *names: str) -> None:
    missing = [name for name in names if name not in found]
    if missing:
        raise WeightCorrupt(f"This is no Basel face model: '{missing[0]}' is missing.", REMEDY)


def _array(value: Any) -> np.ndarray:
    return np.asarray(value, np.float64)


def _tensor(value: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.asarray(value), dtype=np.float32))


def theta_of(coefficients: Tensor) -> Theta:
    """Theta from Deep3DFaceRecon's 257 numbers [B,257]: identity 80, expression 64, texture 80, angles 3,
    light 27, translation 3."""
    identity, expression, texture, rotation, light, translation = coefficients.split((80, 64, 80, 3, 27, 3), 1)
    return Theta(rotation, translation, identity, texture, expression, light)
