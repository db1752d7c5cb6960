"""Manifests: the shipped ones are sound, mistakes are named, hashes are written in place."""

import hashlib
import re

import pytest

from barbershop_core.errors import PackError
from barbershop_core.weights.manifest import NEEDS, PACKS, read_manifest, write_manifest_hashes

ROLES = {"generator", "parser", "identity", "encoder", "perceptual", "pnorm", "landmarker"}
GOOD = """
format = 1
# a comment that stays
[pack]
name = "small"
size = 64

[networks.generator]
kind = "stylegan2"

[[networks.generator.sources]]
file = "generator.safetensors"  # beside
note = "ours"

[[networks.generator.sources]]
repo = "some/where"
file = "a/b.pt"
size = 3
"""


def write(tmp_path, text):
    path = tmp_path / "pack.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", sorted(p.parent.name for p in PACKS.glob("*/pack.toml")))
def test_shipped_manifest_is_complete(name):
    manifest = read_manifest(name)
    assert manifest.name == name and manifest.title and manifest.summary
    assert set(manifest.networks) >= ROLES
    for network in manifest.networks.values():
        assert network.need in NEEDS and network.licence and network.layout and network.purpose
        assert network.kind != "bisenet" or all(s.table or network.table for s in network.sources)


def test_ffhq_manifest_embeds_nothing_and_has_fallbacks():
    manifest = read_manifest("ffhq")
    assert manifest.size == 1024 and manifest.cpu_size == 256
    for network in manifest.networks.values():
        assert not any(s.embedded and not s.trained for s in network.sources)
        if network.need != "optional":
            assert len({source.repo for source in network.sources}) > 1, network.role
    tables = [s.table or manifest.networks["parser"].table for s in manifest.networks["parser"].sources]
    assert tables[0] == "celebamask19" and tables[-1] == "barbershop16"


def test_a_space_preloads_what_ffhq_needs_from_its_first_sources():
    front_matter = (PACKS.parents[1] / "README.md").read_text(encoding="utf-8").split("---")[1]
    listed = re.findall(r"^  - (\S+) (\S+)(?: (\w+))?$", front_matter, re.M)
    preloaded = {(repo, file, revision or "main") for repo, files, revision in listed for file in files.split(",")}
    needed = [network.sources[0] for network in read_manifest("ffhq").needed("wanted")]
    assert preloaded == {(source.repo, source.file, source.revision) for source in needed}
    assert any("e4e" in source.file for source in needed)


def test_torchvision_hash_agrees_with_its_file_name():
    """Torchvision names files after the first 8 digits of their sha256: an independent check."""
    for source in read_manifest("ffhq").networks["perceptual"].sources:
        prefix = re.search(r"-([0-9a-f]{8})\.pth$", source.file)
        if prefix:
            assert source.sha256.startswith(prefix[1])
            break
    else:
        pytest.fail("no torchvision file in the list")


def test_studio_manifest_needs_no_hub():
    manifest = read_manifest("studio")
    assert "landmarker" in {network.role for network in manifest.needed("wanted")}
    for network in manifest.needed("optional"):
        assert all(s.embedded for s in network.sources)


def test_folder_file_and_unknown_name(tmp_path):
    path = write(tmp_path, GOOD)
    assert read_manifest(path) == read_manifest(tmp_path) == read_manifest(str(path))
    with pytest.raises(PackError, match="no pack 'nowhere'.*ffhq, studio"):
        read_manifest("nowhere")


@pytest.mark.parametrize(
    "change, complaint",
    [
        (("format = 1", "format = 2"), "'format' must be 1"),
        (('name = "small"', ""), "'name' is missing"),
        (("size = 64", 'size = "64"'), "'size' must be a whole number"),
        (("size = 64", "size = 0"), "above 0"),
        (("size = 64", "size = true"), "whole number"),
        (('kind = "stylegan2"', 'kid = "stylegan2"'), "unknown key 'kid'"),
        (('kind = "stylegan2"', 'kind = "stylegan2"\nneed = "perhaps"'), "'need' must be one of"),
        (('file = "a/b.pt"', 'file = "../b.pt"'), "relative path"),
        (('file = "a/b.pt"', 'file = "/etc/passwd"'), "relative path"),
        (('repo = "some/where"', 'repo = "somewhere"'), "owner/name"),
        (("size = 3", 'sha256 = "abc"'), "64 lower-case hex"),
        (("size = 3", 'repo_type = "bucket"'), "'repo_type' must be one of"),
        (("size = 3", "size = "), "not valid TOML"),
        (("[networks.generator]", "[network.generator]"), "networks"),
    ],
)
def test_mistakes_are_named_with_their_place(tmp_path, change, complaint):
    assert change[0] in GOOD
    path = write(tmp_path, GOOD.replace(*change, 1))
    with pytest.raises(PackError) as error:
        read_manifest(path)
    assert complaint in str(error.value) and str(path) in str(error.value)


def test_hashes_are_written_in_place_and_replaced(tmp_path):
    path = write(tmp_path, GOOD)
    for data in (b"first", b"the second one"):
        (tmp_path / "generator.safetensors").write_bytes(data)
        manifest = write_manifest_hashes(path)
        ours, theirs = manifest.networks["generator"].sources
        assert (ours.size, ours.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert ours.note == "ours" and (theirs.size, theirs.sha256) == (3, "")
        assert "# a comment that stays" in path.read_text() and "# beside" in path.read_text()
    once = path.read_text()
    write_manifest_hashes(path)
    assert path.read_text() == once
