"""An open pack: a manifest whose files are found, verified and opened as networks on first use.

>>> pack = open_pack("studio")          # or "ffhq", "auto", or the path of a pack.toml
>>> pack.generator.synthesis(w_plus)    # the generator is opened here

Nothing is read or downloaded before it is needed.  The rest of the program does not ask which pack it
runs: sizes, label tables and the working resolution come from here.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from . import networks
from .editing.regions import Parser
from .errors import BadRequest, PackError, WeightCorrupt, WeightMissing
from .inversion import prior
from .inversion.prior import PNorm
from .networks import perceptual
from .networks.perceptual import Perceptual
from .progress import Step
from .weights import checkpoint, local, lpips_heads
from .weights.files import PackFiles
from .weights.manifest import Manifest, read_manifest
from .weights.verify import digest

T = TypeVar("T")


def pick_device(wanted: str = "auto") -> torch.device:
    """ "auto" is CUDA, else Apple's MPS, else the CPU.  Raises BadRequest for a device that is not here."""
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, available in here.items() if available))
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or not here.get(device.type, False):
        raise BadRequest(
            f"There is no device '{wanted}' here.",
            f"Use one of: auto, {', '.join(n for n, available in here.items() if available)}.",
        )
    return device


def choose_pack(name: str | None = None, device: str = "auto") -> tuple[str, str]:
    """The pack that ``name`` (or ``BARBERSHOP_PACK``, or "auto") means, and a phrase that says why."""
    asked = name or os.environ.get("BARBERSHOP_PACK") or "auto"
    if asked != "auto":
        return asked, "asked for" if name else "set by BARBERSHOP_PACK"
    if pick_device(device).type == "cpu":
        return "studio", "it runs on the CPU"
    manifest = read_manifest("ffhq")
    if all(local.locate(network, manifest.folder, discard=False) for network in manifest.needed("required")):
        return "ffhq", "there is a GPU and its weights are here"
    if local.offline():
        return "studio", "HF_HUB_OFFLINE is set and the weights of 'ffhq' are not cached"
    if not local.reachable():
        return "studio", f"{local.endpoint()} does not answer and the weights of 'ffhq' are not cached"
    return "ffhq", "there is a GPU and the Hub answers"


def open_pack(
    name_or_manifest_path: str | Path | None = None, device: str = "auto", on_step: Callable[[Step], None] | None = None
) -> Pack:
    """Open a pack by name ("studio", "ffhq", "auto") or by its manifest's path.

    None means ``BARBERSHOP_PACK``, else "auto": "ffhq" if there is a GPU and its weights are here or the
    Hub can be reached, else "studio".  on_step: called with the steps of downloads that start on first use.
    Raises PackError, BadRequest.
    """
    name = None if name_or_manifest_path is None else str(name_or_manifest_path)
    chosen, why = choose_pack(name, device)
    return Pack(read_manifest(chosen), pick_device(device), on_step, why)


class Pack(PackFiles):
    """The files of a manifest and the networks in them, each opened once; safe to use from several threads.

    name, size: the manifest's; size is the generator's native resolution in pixels.
    working_size: the side of portraits, losses and results on this device.  Pictures are synthesized at ``size`` and
        reduced to it: the RGB sum up to a lower resolution is no picture where the blocks above it add to its contrast.
    device: where the networks are.  why: a phrase that says why this pack was chosen.
    """

    def __init__(
        self, manifest: Manifest, device: torch.device, on_step: Callable[[Step], None] | None = None, why: str = ""
    ):
        super().__init__(manifest, on_step)
        self.device, self.why, self.name, self.size = device, why, manifest.name, manifest.size
        self._open: dict[str, Any] = {}
        for made in ("pnorm", "fingerprint"):  # without a file of their own
            self._locks.setdefault(made, threading.RLock())
        self.working_size = self.size
        if device.type == "cpu" and manifest.cpu_size:
            self.working_size = min(self.size, manifest.cpu_size)
            self.notices.append(
                f"Without a GPU the pack '{self.name}' works at {self.working_size} instead of {self.size} "
                "pixels: softer pictures, and several minutes for each photo."
            )

    # ------------------------------------------------------------------------- networks

    @property
    def generator(self) -> nn.Module:
        """StyleGAN2 (networks.stylegan2)."""
        return self._required("generator", self._network)

    @property
    def parser(self) -> Parser:
        """The face parser with its label table."""
        return self._required("parser", self._open_parser)

    @property
    def identity(self) -> nn.Module:
        """ArcFace layout: [B,3,112,112] in [-1,1] -> unit [B,D]."""
        return self._required("identity", self._network)

    @property
    def perceptual(self) -> Perceptual:
        """The perceptual losses."""
        return self._required("perceptual", self._open_perceptual)

    @property
    def encoder(self) -> nn.Module | None:
        """e4e layout: image in [-1,1] -> w_plus; None if the pack has none or its file is not here."""
        return self.optional("encoder")

    def optional(self, role: str) -> nn.Module | None:
        """The network of a role; None if the pack does not list it or its file is not here."""
        return self._once(role, self._network) if role in self.manifest.networks else None

    @property
    def pnorm(self) -> PNorm:
        """Statistics of W on the pack's device; computed from the generator if there is no file."""
        return self._required("pnorm", self._open_pnorm)

    @property
    def hair_projection(self) -> Tensor | None:
        """[D,D] on the pack's device: projects a move in W onto its hair part; None if there is no file."""
        return self._once("hair_projection", self._open_hair_projection)

    @property
    def landmarker(self) -> Path | None:
        """The MediaPipe Face Landmarker file: ``BARBERSHOP_LANDMARKER``, else the pack's, else None."""
        own = os.environ.get("BARBERSHOP_LANDMARKER")
        if not own:
            return self.file("landmarker")
        path = Path(own).expanduser()
        if not path.is_file():
            raise WeightMissing(f"BARBERSHOP_LANDMARKER is {own}, which is not a file.", "Correct or unset it.")
        return path

    @property
    def fingerprint(self) -> str:
        """16 hex digits that identify the manifest and the generator's file; part of cache keys."""
        return self._required("fingerprint", self._make_fingerprint)

    def open_all(self) -> None:
        """Open every network that is needed or whose file is here, instead of on first use.

        Raises WeightMissing or WeightCorrupt for those that are required.
        """
        own = {"parser": self._open_parser, "perceptual": self._open_perceptual}
        for role, network in self.manifest.networks.items():
            if network.kind in networks.KINDS and self.find(role) is not None:
                self._once(role, own.get(role, self._network))
        self._once("pnorm", self._open_pnorm)
        self._once("hair_projection", self._open_hair_projection)
        self._once("fingerprint", self._make_fingerprint)

    # ------------------------------------------------------------------------- opening

    def _once(self, role: str, make: Callable[[str], T | None]) -> T | None:
        """``make(role)``, remembered unless it is None: the file may turn up later."""
        if role not in self._locks:  # not listed
            return None
        with self._locks[role]:
            if role not in self._open:
                value = make(role)
                if value is None:
                    return None
                self._open[role] = value
            return self._open[role]

    def _required(self, role: str, make: Callable[[str], T | None]) -> T:
        value = self._once(role, make)
        if value is None:
            raise PackError(f"The pack '{self.name}' has no {role}.", f"Add one to {self.manifest.path}.")
        return value

    def _network(self, role: str) -> nn.Module | None:
        kind = self.manifest.networks[role].kind
        net = self.load(role, lambda path: networks.load(kind, path))
        if net is None and self.manifest.networks[role].sources[0].trained:
            return None  # not something to download; what needs it says how it is trained
        if net is None:
            self.notice(
                f"The pack '{self.name}' works without its {role}, which is not on this machine; "
                f"'python -m barbershop_core download --pack {self.name} --all' fetches it."
            )
            return None
        return net.to(self.device)

    def _open_parser(self, role: str) -> Parser | None:
        net = self._network(role)
        if net is None:
            return None
        network, source = self.manifest.networks[role], self.find(role).source
        return Parser(net, source.input_size or network.input_size or 512, source.table or network.table)

    def _open_perceptual(self, role: str) -> Perceptual | None:
        def build(path: Path) -> Perceptual:
            return perceptual.from_state(checkpoint.read(path), lpips_heads.read_published)

        net = self.load(role, build)
        return None if net is None else net.to(self.device)

    def _open_pnorm(self, role: str) -> PNorm:
        statistics = self.load(role, lambda path: prior.from_arrays(checkpoint.read(path)))
        if statistics is None:
            statistics = PNorm.fit(_mapping_samples(self.generator))
        return statistics.to(self.device)

    def _open_hair_projection(self, role: str) -> Tensor | None:
        def build(path: Path) -> Tensor:
            matrix = checkpoint.read(path).get("matrix")
            width = self.generator.style_dim
            if matrix is None or tuple(matrix.shape) != (width, width):
                raise WeightCorrupt(
                    f"{path} holds no matrix [{width},{width}].",
                    "Make it again with barbershop_core.training.studio_pack.",
                )
            return matrix.float().to(self.device)

        return self.load(role, build)

    def _make_fingerprint(self, _: str) -> str:
        # Opened before its file is hashed: if the contents are wrong, another source takes its place.
        self._required("generator", self._network)
        described = repr([asdict(n) for n in self.manifest.networks.values()])
        weights = digest(self.file("generator"), "sha256", local.remembered())
        return hashlib.sha256(f"{self.name}\n{described}\n{weights}".encode()).hexdigest()[:16]


@torch.no_grad()
def _mapping_samples(generator: nn.Module, count: int = 100_000, seed: int = 0) -> Tensor:
    """w [count,D] of seeded z, on the CPU."""
    noise = torch.Generator().manual_seed(seed)
    device = next(generator.parameters()).device
    return torch.cat(
        [
            generator.mapping(torch.randn(4000, generator.z_dim, generator=noise).to(device)).float().cpu()
            for _ in range(count // 4000)
        ]
    )
