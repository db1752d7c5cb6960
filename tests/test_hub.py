"""Downloads against a server that speaks the Hub's protocol, well and badly."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hub_server import COMMIT, HubServer

from barbershop_core.errors import WeightCorrupt, WeightMissing
from barbershop_core.progress import run
from barbershop_core.weights import hub, local, verify
from barbershop_core.weights.manifest import Network, Source

ROOT = Path(__file__).resolve().parents[1]
DATA = bytes(range(256)) * 9000  # 2.3 MB
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server, and an environment in which it is the Hub and the cache is empty."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "BARBERSHOP_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    with HubServer() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "no-token"))
        yield running


def network(*sources, **own):
    return Network(role="generator", kind="stylegan2", sources=sources, **own)


def source(repo="them/net", file="dir/net.bin", **known):
    return Source(file=file, repo=repo, **known)


def fetch(net, tmp_path, steps=None):
    return run(hub.fetch(net, tmp_path), None if steps is None else steps.append)


def blobs(tmp_path):
    return [p for p in (tmp_path / "hub").glob("*/blobs/*") if p.is_file()]


def test_download_reports_bytes_then_cache_answers_alone(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA)
    net, steps = network(source(size=len(DATA), sha256=SHA)), []
    found = fetch(net, tmp_path, steps)
    assert found.path.read_bytes() == DATA and (found.where, found.verdict.how) == ("cache", "sha256")
    assert {s.stage for s in steps} == {"download generator"}
    assert (steps[-1].index, steps[-1].total) == (len(DATA), len(DATA))
    assert [s.index for s in steps] == sorted(s.index for s in steps)
    before = len(server.requests)
    steps.clear()
    assert fetch(net, tmp_path, steps).path == found.path and not steps
    assert local.locate(net, tmp_path).path == found.path
    assert len(server.requests) == before


def test_progress_moves_while_bytes_come(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA * 4, slow=0.01)
    steps = []
    fetch(network(source()), tmp_path, steps)
    assert len({s.index for s in steps}) >= 4


@pytest.mark.parametrize("repo_type, prefix", [("dataset", "/datasets"), ("space", "/spaces"), ("model", "")])
def test_repo_types_and_pinned_revision(server, tmp_path, repo_type, prefix):
    server.add("them/net", "a+b.bin", DATA, repo_type=repo_type)
    found = fetch(network(source(file="a+b.bin", repo_type=repo_type, revision=COMMIT)), tmp_path)
    assert found.path.read_bytes() == DATA
    assert all(r[1] == f"{prefix}/them/net/resolve/{COMMIT}/a+b.bin" for r in server.requests)


def test_a_pinned_commit_that_is_gone_gives_the_branch_if_the_hash_is_known(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA)
    gone = "dead" + "0" * 36
    assert fetch(network(source(revision=gone, sha256=SHA)), tmp_path).path.read_bytes() == DATA
    assert local.locate(network(source(revision=gone, sha256=SHA)), tmp_path)
    with pytest.raises(WeightMissing, match="the pinned revision is gone"):
        fetch(network(source(revision=gone)), tmp_path)


def test_redirects_and_token_only_for_the_hub(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.add("old/net", "dir/net.bin", b"", moved="them/net")
    server.add("them/net", "dir/net.bin", DATA, cdn=True, token="hf_secret")
    found = fetch(network(source(repo="old/net", sha256=SHA)), tmp_path)
    assert found.path.read_bytes() == DATA
    content = server.asked("GET", "/content/")
    assert content and all("authorization" not in headers for *_, headers in content)
    assert all(h["authorization"] == "Bearer hf_secret" for *_, h in server.asked("", "/resolve/"))
    assert content[0][2]["host"] == server.content_host


@pytest.mark.parametrize("token, status", [(None, 401), ("hf_other", 403)])
def test_gated(server, tmp_path, monkeypatch, token, status):
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    server.add("them/net", "dir/net.bin", DATA, token="hf_secret")
    with pytest.raises(WeightMissing) as error:
        fetch(network(source()), tmp_path)
    assert "them/net (dir/net.bin): gated" in str(error.value) and "HF_TOKEN" in str(error.value)


@pytest.mark.parametrize(
    "behaviour, reason",
    [
        ({"status": 404, "error_code": "EntryNotFound"}, "the file is gone (404)"),
        ({"status": 401, "error_code": "RepoNotFound"}, "the repository is gone or private"),
        ({"status": 500}, "the server answered 500"),
        ({"status": 403}, "access denied (403)"),
        ({"status": 429}, "the server answered 429"),
    ],
)
def test_refusals_lead_to_the_fallback_and_are_named(server, tmp_path, behaviour, reason):
    server.add("first/net", "dir/net.bin", DATA, **behaviour)
    net = network(source("first/net"), source("second/net", sha256=SHA))
    with pytest.raises(WeightMissing) as error:
        fetch(net, tmp_path)
    text = str(error.value)
    assert f"first/net (dir/net.bin): {reason}" in text and "second/net (dir/net.bin): the repository" in text
    assert "generator" in text and "BARBERSHOP_WEIGHTS" in text and server.url in text and "\n" not in text
    server.add("second/net", "dir/net.bin", DATA)
    steps = []
    found = fetch(net, tmp_path, steps)
    assert found.source.repo == "second/net" and found.path.read_bytes() == DATA
    assert any(f"{reason}. The generator is tried from second/net, 2 of 2." in s.notice for s in steps)


def test_sources_are_asked_together_and_nothing_is_downloaded(server, tmp_path):
    server.add("right/net", "dir/net.bin", DATA)
    server.add("other/net", "dir/net.bin", DATA[:-1])
    for number in range(3):
        server.add(f"silent/{number}", "dir/net.bin", DATA, hang="head")
    right, other, gone = source("right/net", sha256=SHA), source("other/net", size=len(DATA)), source("gone/net")
    silent = [source(f"silent/{number}") for number in range(3)]
    started = time.monotonic()
    found = hub.ask([right, right, other, gone, *silent, Source("beside.bin")], timeout=2.0)
    assert time.monotonic() - started < 2 * len(silent)  # not one after the other
    assert list(found) == [right, other, gone, *silent]
    assert found[right] == "" and "instead of" in found[other] and "gone" in found[gone]
    assert {found[s] for s in silent} == {"the server does not answer"}
    assert not server.asked("GET") and not blobs(tmp_path)


def test_without_a_connection_no_source_is_waited_for(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "does not answer" in hub.ask([source()])[source()]
    assert hub.ask([]) == {}


def test_hiccup_is_retried(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA, fail_first=1)
    assert fetch(network(source()), tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize("ignore_range", [False, True])
def test_cut_connection_is_resumed(server, tmp_path, ignore_range):
    server.add("them/net", "dir/net.bin", DATA, cut=[1_200_000], ignore_range=ignore_range)
    steps = []
    found = fetch(network(source(size=len(DATA), sha256=SHA)), tmp_path, steps)
    assert found.path.read_bytes() == DATA
    gets = server.asked("GET")
    assert len(gets) == 2 and re.fullmatch(r"bytes=[1-9]\d+-", gets[1][2]["range"])
    assert max(s.index for s in steps) == len(DATA)


def test_wrong_bytes_are_discarded_and_the_fallback_is_used(server, tmp_path):
    """The first server claims the right hash and sends something else of the same length."""
    server.add("bad/net", "dir/net.bin", DATA[::-1], etag=SHA)
    net = network(source("bad/net", sha256=SHA), source("good/net", sha256=SHA))
    server.add("good/net", "dir/net.bin", DATA)
    found = fetch(net, tmp_path)
    assert found.source.repo == "good/net" and blobs(tmp_path) == [found.path.resolve()]


def test_only_wrong_bytes_is_corrupt_not_missing(server, tmp_path):
    server.add("bad/net", "dir/net.bin", DATA[::-1], etag=SHA)
    with pytest.raises(WeightCorrupt, match=r"bad/net \(dir/net.bin\): the downloaded file has the checksum"):
        fetch(network(source("bad/net", sha256=SHA)), tmp_path)
    assert not blobs(tmp_path)


def test_another_file_is_refused_before_it_is_fetched(server, tmp_path):
    server.add("bad/net", "dir/net.bin", DATA + b"!")
    for known in ({"size": len(DATA)}, {"sha256": SHA}):
        with pytest.raises(WeightCorrupt, match="offers a file"):
            fetch(network(source("bad/net", **known)), tmp_path)
    assert not server.asked("GET")


def test_without_a_known_hash_the_hubs_own_is_checked(server, tmp_path):
    server.add("good/net", "dir/net.bin", DATA)
    assert fetch(network(source("good/net")), tmp_path).verdict.how == "hub"
    server.add("bad/net", "dir/net.bin", DATA[::-1], etag=SHA)
    with pytest.raises(WeightCorrupt):
        fetch(network(source("bad/net")), tmp_path)


def test_git_sha1_is_what_git_says(server, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    command = ["git", "hash-object", str(tmp_path / "file")]
    said = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if not said:
        pytest.skip("git is not here")
    server.add("them/net", "dir/net.bin", DATA, etag=said)
    assert fetch(network(source(git_sha1=said)), tmp_path).verdict.how == "git sha1"
    server.add("them/net", "small.json", DATA, etag=said)
    assert fetch(network(source(file="small.json")), tmp_path).verdict.how == "hub"
    with pytest.raises(WeightCorrupt):
        fetch(network(source(file="small.json", git_sha1="0" * 40)), tmp_path)


def test_a_cached_file_that_rotted_is_fetched_again(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA)
    for net in (network(source(sha256=SHA)), network(source())):
        blob = fetch(net, tmp_path).path.resolve()
        blob.write_bytes(DATA[:1000])
        assert local.locate(net, tmp_path, discard=False) is None and blob.exists()
        assert local.locate(net, tmp_path) is None and not blob.exists()
        assert fetch(net, tmp_path).path.read_bytes() == DATA


def test_hash_is_remembered_until_the_file_changes(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA)
    path = fetch(network(source(sha256=SHA)), tmp_path).path.resolve()
    memory = tmp_path / "barbershop-verified.json"
    known = json.loads(memory.read_text())
    assert known[str(path)]["sha256"] == SHA
    known[str(path)]["sha256"] = "f" * 64  # believed, since path, size and time are the same
    memory.write_text(json.dumps(known))
    assert verify.digest(path, remembered=memory) == "f" * 64
    os.utime(path, ns=(1, 1))
    assert verify.digest(path, remembered=memory) == SHA
    memory.write_text("{broken")
    assert verify.digest(path, remembered=memory) == SHA


def test_offline_uses_the_cache_and_never_the_network(server, tmp_path, monkeypatch):
    server.add("them/net", "dir/net.bin", DATA)
    net = network(source("absent/net"), source())
    fetch(net, tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = len(server.requests)
    assert fetch(net, tmp_path).source.repo == "them/net"
    with pytest.raises(WeightMissing) as error:
        fetch(network(source(file="other.bin")), tmp_path)
    assert "HF_HUB_OFFLINE" in str(error.value) and "other.bin" in str(error.value)
    assert not local.reachable() and len(server.requests) == before


def test_local_folder_comes_first_and_is_never_deleted(server, tmp_path, monkeypatch):
    own = tmp_path / "own"
    monkeypatch.setenv("BARBERSHOP_WEIGHTS", str(own))
    for place in ("them/net/dir/net.bin", "dir/net.bin", "net.bin"):
        path = own / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
        found = fetch(network(source(sha256=SHA)), tmp_path)
        assert (found.path, found.where) == (path, "folder") and not server.requests
        path.unlink()
    (own / "net.bin").write_bytes(DATA[1:])
    server.add("them/net", "dir/net.bin", DATA)
    assert fetch(network(source(sha256=SHA)), tmp_path).where == "cache"
    assert (own / "net.bin").exists()


def test_file_beside_the_manifest(server, tmp_path):
    (tmp_path / "net.bin").write_bytes(DATA)
    assert fetch(network(source(sha256=SHA)), tmp_path).where == "embedded"
    embedded = network(Source("net.bin", sha256=SHA))
    assert fetch(embedded, tmp_path).path == tmp_path / "net.bin"
    (tmp_path / "net.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(WeightCorrupt, match="git lfs pull"):
        fetch(embedded, tmp_path)
    (tmp_path / "net.bin").unlink()
    with pytest.raises(WeightMissing, match="does not exist.*training.studio_pack"):
        fetch(embedded, tmp_path)
    assert not server.requests


def test_closing_the_steps_cancels(server, tmp_path):
    server.add("them/net", "dir/net.bin", DATA * 8, slow=0.01)
    steps = hub.fetch(network(source()), tmp_path)
    while next(steps).index == 0:
        pass
    steps.close()
    deadline = time.monotonic() + 10
    while any(t.name.startswith("download ") for t in threading.enumerate()):
        assert time.monotonic() < deadline, "the download goes on"
        time.sleep(0.05)
    assert all(p.suffix == ".incomplete" for p in blobs(tmp_path))


def test_no_server_at_all(server, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(WeightMissing, match="no connection"):
        fetch(network(source()), tmp_path)
    assert not local.reachable()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    assert local.reachable()


CHILD = """
import sys, time
from pathlib import Path
from barbershop_core.weights import hub
from barbershop_core.weights.manifest import Network, Source
from barbershop_core.progress import run
start = time.monotonic()
net = Network("parser", "bisenet", sources=tuple(Source("net.bin", repo) for repo in sys.argv[1:]))
try:
    print("found", run(hub.fetch(net, Path("."))).source.repo)
except Exception as error:
    print(type(error).__name__, error)
print(f"{time.monotonic() - start:.1f} s")
"""


def child(server, tmp_path, *repos, **environment):
    """A process whose environment is set before huggingface_hub is imported."""
    environment = {
        **os.environ,
        "HF_HUB_ETAG_TIMEOUT": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *repos], env=environment, capture_output=True, text=True, timeout=90, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_server_that_hangs_is_left(server, tmp_path):
    server.add("hangs/head", "net.bin", DATA, hang="head")
    server.add("hangs/body", "net.bin", DATA, hang="body")
    server.add("good/net", "net.bin", DATA)
    said = child(server, tmp_path, "hangs/head", "hangs/body", "good/net")
    assert "found good/net" in said
    assert float(re.search(r"([\d.]+) s", said)[1]) < 30
    said = child(server, tmp_path, "hangs/head", HF_HUB_CACHE=str(tmp_path / "other"))
    assert "WeightMissing" in said and "does not answer" in said


def test_offline_set_before_import(server, tmp_path):
    server.add("good/net", "net.bin", DATA)
    said = child(server, tmp_path, "good/net", HF_HUB_OFFLINE="1")
    assert "WeightMissing" in said and "HF_HUB_OFFLINE" in said and not server.requests


def test_two_processes_fetch_one_file(server, tmp_path):
    server.add("good/net", "net.bin", DATA, slow=0.05)
    said = []
    threads = [threading.Thread(target=lambda: said.append(child(server, tmp_path, "good/net"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [s.splitlines()[0] for s in said] == ["found good/net"] * 2
