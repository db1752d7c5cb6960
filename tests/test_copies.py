"""Copies of pickled weight files as .safetensors: they hold the same, and are read in the pickles' place."""

from __future__ import annotations

import argparse
import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from small_pack import write_small_pack

from barbershop_core import networks
from barbershop_core.errors import UnsafePickle
from barbershop_core.weights import checkpoint, copies
from barbershop_core.weights.unpickle import Record


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    return tmp_path / "home" / "barbershop-safetensors"


def same(one, two) -> bool:
    if isinstance(one, (torch.Tensor, np.ndarray)):
        return type(one) is type(two) and one.dtype == two.dtype and one.shape == two.shape and bool((one == two).all())
    if isinstance(one, dict):
        return list(one) == list(two) and all(same(one[k], two[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return type(one) is type(two) and len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, argparse.Namespace):
        return same(vars(one), vars(two))
    if isinstance(one, Record):
        return one.class_name == two.class_name and same(one.state, two.state)
    return type(one) is type(two) and one == two


def test_everything_that_weight_files_hold_comes_back(tmp_path):
    shared = torch.randn(4, 4)
    value = {
        "state_dict": OrderedDict({"a.weight": shared, "b.weight": shared.t(), "n": torch.tensor(3)}),
        "half": [torch.randn(2).half(), torch.randn(2).bfloat16(), torch.zeros(0, 3)],
        "opts": argparse.Namespace(lr=0.1, names=("x", None, True), size=1024),
        7: (1, 2.5, float("inf"), "text", {"tensor": "not one"}),
        "arrays": {"mean": np.arange(3.0), "index": np.arange(4, dtype=np.int16)},
        "net": Record("Generator", {"_buffers": {"w": torch.ones(2)}}),
    }
    assert copies.save(value, tmp_path / "copy.safetensors")
    assert same(copies.load(tmp_path / "copy.safetensors"), {**value, "state_dict": dict(value["state_dict"])})
    assert not copies.save({"a": torch.ones(1), "b": object()}, tmp_path / "other.safetensors")
    assert [path.name for path in tmp_path.glob("*.*")] == ["copy.safetensors"]


@pytest.mark.parametrize("zipped", [True, False])
def test_a_copy_is_made_once_and_read_instead(tmp_path, cache, monkeypatch, zipped):
    path = tmp_path / "net.pt"
    torch.save({"g_ema": {"w": torch.arange(5.0)}}, path, _use_new_zipfile_serialization=zipped)
    before = checkpoint.read(path)
    assert checkpoint.convert(path) and not checkpoint.convert(path)
    monkeypatch.setattr(torch, "load", None)  # as if it were broken
    assert same(checkpoint.read(path), before)
    monkeypatch.undo()


def test_another_file_in_the_same_place_is_read_itself(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    path = tmp_path / "net.pt"
    torch.save({"w": torch.zeros(2)}, path)
    checkpoint.convert(path)
    torch.save({"w": torch.ones(2)}, path)
    os.utime(path, ns=(1, 1))
    assert checkpoint.read(path)["w"].sum() == 2
    assert checkpoint.convert(path)
    checkpoint.copy_of(path).write_bytes(b"damaged")
    assert checkpoint.read(path)["w"].sum() == 2


def test_nothing_is_run_and_other_kinds_are_left_alone(tmp_path, cache):
    class Call:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "run"),)

    torch.save({"w": Call()}, tmp_path / "bad.pt")
    with pytest.raises(UnsafePickle):
        checkpoint.convert(tmp_path / "bad.pt")
    np.savez(tmp_path / "p.npz", a=np.ones(2))
    assert not checkpoint.convert(tmp_path / "p.npz") and not (tmp_path / "run").exists() and not cache.exists()


def test_a_network_is_the_same_from_the_copy(tmp_path, monkeypatch):
    folder = write_small_pack(tmp_path / "pack").parent
    flat = checkpoint.read(folder / "generator.safetensors")
    path = tmp_path / "generator.pt"
    mean = flat.pop("latent_avg")
    torch.save({"g_ema": flat, "latent_avg": mean}, path)
    from_pickle = networks.load("stylegan2", path).state_dict()
    assert checkpoint.convert(path)
    monkeypatch.setattr(torch, "load", None)
    assert same(dict(networks.load("stylegan2", path).state_dict()), dict(from_pickle))


def test_downloads_are_converted_where_it_is_asked_for(tmp_path, cache, monkeypatch, capsys):
    from hub_server import HubServer
    from served_pack import write_manifest

    from barbershop_core.__main__ import main
    from barbershop_core.weights.manifest import Network, Source

    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "BARBERSHOP_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    torch.save({"w": torch.arange(3.0)}, tmp_path / "net.pt")
    needed = Network("generator", "stylegan2", sources=(Source("net.pt", "them/net"),))
    clip = Network("clip", "clip", need="optional", sources=(Source("clip.pt", "them/net"),))
    mapper = Network("mapper_afro", "mapper", need="optional", sources=(Source("afro.pt", "them/net"),))
    path = write_manifest(tmp_path / "pack.toml", [needed, clip, mapper])
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        for file in ("net.pt", "clip.pt", "afro.pt"):
            server.add("them/net", file, tmp_path / "net.pt")
        main(["download", "--pack", str(path), "--device", "cpu", "--convert", "--also", "clip", "--quiet"])
        assert server.asked("GET", "clip.pt") and not server.asked("", "afro.pt")
    assert len(list(cache.iterdir())) == 2
