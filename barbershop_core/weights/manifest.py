"""What a pack is made of: a TOML file that names every network and where its file comes from.

For each role (generator, parser, ...) it has an ordered list of sources; a source is a file beside the
manifest (*embedded*: no ``repo``) or one in a Hub repository.  Later sources are fallbacks.  Sizes and
hashes are those of files that were really downloaded; :mod:`barbershop_core.weights.verify` checks
whichever are given.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import NoReturn

from ..errors import PackError
from .assets import ASSETS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKS = ASSETS / "packs"
FORMAT = 1

NEEDS = ("required", "wanted", "optional")
"""How much a pack needs a network, from most to least.

required: fetched on first use; an error if it cannot be fetched.
wanted:   fetched on first use; the pack works without it if it cannot be fetched.
optional: fetched only by ``download --all``, or by an edit that needs it; the pack works without it.
"""

REPO_TYPES = ("model", "dataset", "space")


@dataclass(frozen=True)
class Source:
    """One place of one file.

    file: path inside the repository, or beside the manifest if ``repo`` is empty.
    repo, repo_type, revision: the Hub repository ("owner/name"), its type, and a commit or branch.
    size: exact bytes, if known;  about: a rounded size ("133 MB"), if only that is known.
    sha256: of the file's bytes;  git_sha1: git's object id of them, if only that is known.
    licence, layout, table, input_size: override the network's.
    trained: the command that makes the file on the user's machine ("rig train"); it lies in the user's own folder,
        see `local.trained_folder`.
    """

    file: str
    repo: str = ""
    repo_type: str = "model"
    revision: str = "main"
    size: int | None = None
    about: str = ""
    sha256: str = ""
    git_sha1: str = ""
    licence: str = ""
    layout: str = ""
    table: str = ""
    input_size: int | None = None
    note: str = ""
    trained: str = ""

    @property
    def embedded(self) -> bool:
        """Whether the file is on no server: beside the manifest, or in the user's own folder."""
        return not self.repo

    @property
    def where(self) -> str:
        """The repository as in its address on the Hub, "the pack's folder", or "your own folder"."""
        if self.trained:
            return "your own folder"
        if self.embedded:
            return "the pack's folder"
        return {"model": "", "dataset": "datasets/", "space": "spaces/"}[self.repo_type] + self.repo


@dataclass(frozen=True)
class Network:
    """One role of a pack, with its sources in the order in which they are tried.

    kind: what :func:`barbershop_core.networks.load` is asked for ("stylegan2", ...), or a kind of data
        ("pnorm", "landmarker").
    table: label table of a parser ("celebamask19", "barbershop16"); input_size: pixels it wants.
    likeness: thresholds of an identity network, see :mod:`barbershop_core.editing.likeness`.
    """

    role: str
    kind: str
    need: str = "required"
    purpose: str = ""
    licence: str = ""
    layout: str = ""
    table: str = ""
    input_size: int | None = None
    likeness: str = ""
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """A pack.

    size: the generator's native resolution, px.  cpu_size: the resolution to work at on a CPU, if lower.
    """

    name: str
    title: str
    summary: str
    size: int
    path: Path
    cpu_size: int | None = None
    networks: Mapping[str, Network] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def folder(self) -> Path:
        """The folder of the manifest and of the embedded files."""
        return self.path.parent

    def needed(self, level: str = "wanted") -> list[Network]:
        """The networks that are needed at least as much as ``level`` (one of :data:`NEEDS`)."""
        last = NEEDS.index(level)
        return [n for n in self.networks.values() if NEEDS.index(n.need) <= last]


def manifest_path(name_or_path: str | Path) -> Path:
    """The manifest of a shipped pack by name, or a given file or folder.

    Raises PackError if there is none.
    """
    given = Path(name_or_path).expanduser()
    if given.suffix == ".toml":
        path = given
    elif given.is_dir() and (given / "pack.toml").is_file():
        path = given / "pack.toml"
    else:
        path = PACKS / str(name_or_path) / "pack.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.parent.name for p in PACKS.glob("*/pack.toml"))) or "none"
        raise PackError(f"There is no pack '{name_or_path}'.", f"Use one of: {known}, or give a pack.toml.")
    return path.resolve()


def read_manifest(name_or_path: str | Path) -> Manifest:
    """Read and check a manifest.  Raises PackError, which names the place of the mistake."""
    path = manifest_path(name_or_path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{path} is not valid TOML: {error}.", "Correct it there.") from error
    check = _Check(path)
    if data.get("format") != FORMAT:
        check.fail("top", f"'format' must be {FORMAT}, it is {data.get('format')!r}")
    networks = {}
    for role, table in check.table("networks", data.get("networks")).items():
        networks[role] = check.network(role, check.table(f"networks.{role}", table))
    pack = check.fields("pack", Manifest, check.table("pack", data.get("pack")), skip=("path", "networks"))
    for name in ("name", "size"):
        if name not in pack:
            check.fail("pack", f"'{name}' is missing")
    pack = {"title": pack["name"], "summary": "", **pack}
    return Manifest(path=path, networks=MappingProxyType(networks), **pack)


class _Check:
    """Turns parsed TOML into the dataclasses above; raises PackError with the place of a mistake."""

    def __init__(self, path: Path):
        self.path = path

    def fail(self, place: str, what: str) -> NoReturn:
        raise PackError(f"{self.path}, [{place}]: {what}.", "Correct the manifest.")

    def table(self, place: str, value: object) -> dict:
        if not isinstance(value, dict):
            self.fail(place, "a table is missing here")
        return value

    def fields(self, place: str, cls: type, table: dict, skip: tuple[str, ...] = ()) -> dict:
        kinds = {f.name: f.type for f in fields(cls) if f.name not in skip}
        for key, value in table.items():
            if key not in kinds:
                self.fail(place, f"unknown key '{key}'")
            wanted = int if "int" in kinds[key] else str
            if not isinstance(value, wanted) or isinstance(value, bool):
                self.fail(place, f"'{key}' must be {'a whole number' if wanted is int else 'text'}")
            if wanted is int and value <= 0:
                self.fail(place, f"'{key}' must be above 0")
        return dict(table)

    def network(self, role: str, table: dict) -> Network:
        place = f"networks.{role}"
        own = {k: v for k, v in table.items() if k != "sources"}
        own = self.fields(place, Network, own, skip=("role", "sources"))
        if not own.get("kind"):
            self.fail(place, "'kind' is missing")
        if own.get("need", "required") not in NEEDS:
            self.fail(place, f"'need' must be one of {', '.join(NEEDS)}")
        sources = table.get("sources")
        if not isinstance(sources, list) or not sources:
            self.fail(place, "no [[sources]]")
        return Network(role=role, sources=tuple(self.source(f"{place}.sources", s) for s in sources), **own)

    def source(self, place: str, table: dict) -> Source:
        own = self.fields(place, Source, self.table(place, table))
        source = Source(**own) if own.get("file") else self.fail(place, "'file' is missing")
        parts = PurePosixPath(source.file).parts
        if source.file.startswith("/") or ".." in parts or "\\" in source.file or ":" in source.file:
            self.fail(place, f"'file' must be a relative path without '..', not {source.file!r}")
        if source.repo and not re.fullmatch(r"[\w.-]+/[\w.-]+", source.repo):
            self.fail(place, f"'repo' must read owner/name, not {source.repo!r}")
        if source.repo_type not in REPO_TYPES:
            self.fail(place, f"'repo_type' must be one of {', '.join(REPO_TYPES)}")
        for key, digits in (("sha256", 64), ("git_sha1", 40)):
            value = getattr(source, key)
            if value and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
                self.fail(place, f"'{key}' must be {digits} lower-case hex digits")
        return source


def write_manifest_hashes(name_or_path: str | Path) -> Manifest:
    """Write size and sha256 of every embedded file that exists into the manifest, in place.

    Comments and order are kept, sources on the Hub left alone.  Returns the new manifest.
    """
    manifest = read_manifest(name_or_path)
    blocks = re.split(r"(?m)^(?=\[)", manifest.path.read_text(encoding="utf-8"))
    for i, block in enumerate(blocks):
        if not re.match(r"\[\[networks\.[^\]]+\.sources\]\]", block):
            continue
        source = tomllib.loads(block)["networks"].popitem()[1]["sources"][0]
        file = manifest.folder / source["file"]
        if source.get("repo") or not file.is_file():
            continue
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        block = re.sub(r"(?m)^(size|sha256)\s*=.*\n?", "", block)
        facts = f'size = {file.stat().st_size}\nsha256 = "{digest}"\n'
        blocks[i] = re.sub(r"(?m)^(file\s*=.*)\n?", lambda m, facts=facts: f"{m[1]}\n{facts}", block, count=1)
    manifest.path.write_text("".join(blocks), encoding="utf-8")
    return read_manifest(manifest.path)
