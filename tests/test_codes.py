"""Codes: spaces, files."""

from __future__ import annotations

import pytest
import torch

from barbershop_core.errors import BadRequest
from barbershop_core.inversion import codes


def a_code(seed: int = 0) -> codes.Code:
    generator = torch.Generator().manual_seed(seed)
    return codes.Code("FS", torch.randn(1, 12, 16, generator=generator), torch.randn(1, 8, 32, 32, generator=generator))


@pytest.mark.parametrize(
    "given, name", [("w", "W"), ("W+", "W+"), ("w+", "W+"), ("fs", "FS"), ("F/S", "FS"), (" wplus ", "W+")]
)
def test_space_names(given, name):
    assert codes.space_name(given) == name


def test_unknown_space_lists_the_known():
    with pytest.raises(BadRequest, match=r"'Z'.*W, W\+, FS"):
        codes.space_name("Z")


def test_file_round_trip(tmp_path):
    code = a_code()
    again = codes.load(code.save(tmp_path / "a.safetensors"))
    assert again.space == "FS"
    assert torch.equal(again.w_plus, code.w_plus) and torch.equal(again.feature, code.feature)


def test_w_code_has_no_feature(tmp_path):
    code = codes.Code("W", torch.zeros(1, 12, 16))
    assert codes.load(code.save(tmp_path / "w.safetensors")).feature is None
    with pytest.raises(BadRequest):
        codes.Code("W", torch.zeros(1, 12, 16), torch.zeros(1, 8, 32, 32))
    with pytest.raises(BadRequest):
        codes.Code("FS", torch.zeros(1, 12, 16))


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "missing", "nan"])
def test_damaged_file_is_a_sentence(tmp_path, damage):
    path = a_code().save(tmp_path / "code.safetensors")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("not a code")
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    else:
        codes.Code("W", torch.full((1, 12, 16), float("nan"))).save(path)
    with pytest.raises(BadRequest, match="code.safetensors"):
        codes.load(path)
