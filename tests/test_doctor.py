"""The doctor's data and text, on packs whose state is known."""

import hashlib
import json

import pytest
from hub_server import HubServer
from served_pack import write_manifest
from small_pack import write_small_pack

from barbershop_core.__main__ import parser
from barbershop_core.commands import doctor
from barbershop_core.errors import PackError
from barbershop_core.progress import run
from barbershop_core.weights import hub, local
from barbershop_core.weights.manifest import Network, Source


@pytest.fixture
def server(monkeypatch, tmp_path):
    own = ("BARBERSHOP_WEIGHTS", "BARBERSHOP_LANDMARKER", "BARBERSHOP_PACK", "HF_TOKEN", "HF_HUB_OFFLINE")
    for name in own:
        monkeypatch.delenv(name, raising=False)
    with HubServer() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        yield running


def by_role(data):
    return {n["role"]: n for n in data["networks"]}


def test_embedded_pack_is_ready(server, tmp_path):
    path = write_small_pack(tmp_path / "pack")
    data = doctor.report(str(path), device="cpu")
    assert data["ready"] and data["missing"] == [] and not server.requests
    assert json.loads(json.dumps(data)) == data
    generator = by_role(data)["generator"]
    file = path.parent / "generator.safetensors"
    assert (generator["state"], generator["where"], generator["checked"]) == ("here", "embedded", "sha256")
    assert generator["bytes"] == file.stat().st_size and generator["licence"].startswith("MIT")
    assert generator["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    text = doctor.render(data)
    assert "Ready." in text and "MIT" in text and "torch " in text and str(local.cache_dir()) in text


def test_wrong_and_missing_files_are_told_apart_and_left_alone(server, tmp_path):
    path = write_small_pack(tmp_path / "pack")
    (path.parent / "parser.safetensors").write_bytes(b"short")
    (path.parent / "identity.safetensors").unlink()
    data = doctor.report(str(path), device="cpu")
    roles = by_role(data)
    assert roles["parser"]["state"] == "wrong" and "5 bytes" in roles["parser"]["problem"]
    assert roles["identity"]["state"] == "missing"
    assert not data["ready"] and data["missing"] == ["parser", "identity"]
    text = doctor.render(data)
    assert "WRONG" in text and "Not ready: parser, identity" in text
    assert (path.parent / "parser.safetensors").exists()


def test_hub_pack_before_and_after_download(server, tmp_path):
    payload = b"weights" * 5000
    known = hashlib.sha256(payload).hexdigest()
    sources = (Source("a.bin", "gone/net"), Source("b.bin", "them/net", sha256=known, licence="CC BY 4.0"))
    network = Network("generator", "stylegan2", licence="MIT", layout="rosinality", sources=sources)
    path = write_manifest(tmp_path / "pack.toml", [network])
    server.add("them/net", "b.bin", payload)
    before = by_role(doctor.report(str(path), device="cpu"))["generator"]
    assert (before["state"], before["source"], before["fallbacks"]) == ("missing", "gone/net", 1)
    assert not server.requests
    found = run(hub.fetch(network, tmp_path))
    after = by_role(doctor.report(str(path), device="cpu"))["generator"]
    assert (after["state"], after["where"], after["checked"]) == ("here", "cache", "sha256")
    assert (after["source"], after["licence"], after["bytes"]) == ("them/net", "CC BY 4.0", len(payload))
    assert after["path"] == str(found.path)


def test_which_sources_answer_is_told_where_it_is_asked(server, tmp_path, monkeypatch):
    server.add("them/net", "b.bin", b"weights")
    lone = Network("parser", "bisenet", sources=(Source("b.bin", "them/net"),))
    two = Network("generator", "stylegan2", sources=(Source("a.bin", "gone/net"), Source("b.bin", "them/net")))
    path = write_manifest(tmp_path / "pack.toml", [two, lone])
    data = doctor.report(str(path), device="cpu", ask=True)
    assert [s["problem"] for s in by_role(data)["generator"]["sources"]] == ["the repository is gone or private", ""]
    text = doctor.render(data)
    assert "1 of 2 sources answer" in text and "gone/net: the repository is gone" in text
    assert "1 of 1 sources answer" in text and text.count("no second source is known") == 1
    server.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    silent = doctor.report(str(path), device="cpu", ask=True)
    assert by_role(silent)["parser"]["sources"][0]["problem"] is None and not server.requests
    assert "sources answer" not in doctor.render(silent)


@pytest.mark.parametrize("offline", [True, False])
def test_the_command_asks_unless_told_not_to(server, tmp_path, offline, capsys):
    server.add("them/net", "b.bin", b"weights")
    network = Network("generator", "stylegan2", sources=(Source("b.bin", "them/net"),))
    path = write_manifest(tmp_path / "pack.toml", [network])
    call = ["doctor", "--pack", str(path), "--device", "cpu", "--json", *["--offline"] * offline]
    options = parser().parse_args(call)
    assert options.run(options, None) == 1  # the file is not here
    problem = by_role(json.loads(capsys.readouterr().out))["generator"]["sources"][0]["problem"]
    assert problem == (None if offline else "") and bool(server.requests) != offline


def test_shipped_ffhq_on_a_cpu(server):
    data = doctor.report("ffhq", device="cpu")
    assert data["pack"]["size"] == 1024 and data["pack"]["working_size"] == 256
    assert data["missing"] == ["generator", "parser", "identity", "perceptual"]
    roles = by_role(data)
    assert "NVIDIA" in roles["generator"]["licence"] and roles["generator"]["size"] == "133 MB"
    text = doctor.render(data)
    for part in ("working at 256 px", "spaces/ethanNeuralImage", "download --pack ffhq"):
        assert part in text
    assert not server.requests and not local.cache_dir().exists()


def test_environment_is_reported(server, tmp_path, monkeypatch):
    (tmp_path / "own.task").write_bytes(b"x")
    monkeypatch.setenv("BARBERSHOP_LANDMARKER", str(tmp_path / "own.task"))
    monkeypatch.setenv("BARBERSHOP_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("BARBERSHOP_PACK", "ffhq")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = doctor.report(device="cpu")
    assert data["pack"]["name"] == "ffhq" and "BARBERSHOP_PACK" in data["pack"]["why"]
    assert data["hub"]["token"] and data["hub"]["offline"] and data["hub"]["local_folder"] == str(tmp_path)
    assert by_role(data)["landmarker"]["where"] == "BARBERSHOP_LANDMARKER"
    text = doctor.render(data)
    assert "(offline)" in text and "hf_secret" not in text + json.dumps(data)
    with pytest.raises(PackError):
        doctor.report("nowhere")
