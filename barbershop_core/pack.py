"""An open pack: a manifest whose files are found, verified and turned into networks when first used.

>>> pack = open_pack("studio")          # or "ffhq", "auto", or the path of a pack.toml
>>> pack.generator.synthesis(w_plus)    # opens the generator now

Nothing is read, and nothing touches the network, before it is needed.  The rest of the program never
asks which pack it runs: sizes, label tables and working resolution are read from here.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .editing.regions import Parser
from .errors import BadRequest, PackError, UnsafePickle, WeightCorrupt, WeightError, WeightMissing
from .progress import Step, Steps, run
from .weights import hub, local
from .weights.manifest import Manifest, Network, read_manifest
from .weights.verify import digest

if TYPE_CHECKING:
    from .inversion.prior import PNorm

ROLES = ("generator", "parser", "identity", "encoder", "perceptual", "pnorm", "lending", "landmarker")


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
    """The pack that ``name`` (or ``BARBERSHOP_PACK``, or "auto") means, and why, as a sentence."""
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
    name_or_manifest_path: str | Path | None = None,
    device: str = "auto",
    on_step: Callable[[Step], None] | None = None,
) -> Pack:
    """Open a pack by name ("studio", "ffhq", "auto") or by its manifest's path.

    None means ``BARBERSHOP_PACK``, else "auto": "ffhq" where there is a GPU and the Hub can be reached,
    else "studio".  on_step: called with the steps of downloads that a first use sets off.
    Raises PackError, BadRequest.
    """
    name = None if name_or_manifest_path is None else str(name_or_manifest_path)
    chosen, why = choose_pack(name, device)
    return Pack(read_manifest(chosen), pick_device(device), on_step, why)


class Pack:
    """See the module.  Opening of networks is safe under threads; each is opened once.

    name, size: of the manifest; size is the generator's native resolution in pixels.
    working_size: the resolution at which to synthesise on this device (the skip chain stops there).
    device: where the networks are.  notices: sentences for the person, which grow as things turn out.
    """

    def __init__(
        self,
        manifest: Manifest,
        device: torch.device,
        on_step: Callable[[Step], None] | None = None,
        why: str = "",
    ):
        self.manifest, self.device, self.on_step, self.why = manifest, device, on_step, why
        self.name, self.size = manifest.name, manifest.size
        self.notices: list[str] = []
        self._open: dict[str, Any] = {}
        self._locks = {role: threading.RLock() for role in (*ROLES, *manifest.networks, "fingerprint")}
        self._found: dict[str, local.Found] = {}
        self._missed: set[str] = set()  # what was wanted and could not be had is not asked for again
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
        return self._once("generator", self._network)

    @property
    def parser(self) -> Parser:
        """The face parser with its label table."""
        return self._once("parser", self._open_parser)

    @property
    def identity(self) -> nn.Module:
        """ArcFace layout: [B,3,112,112] in [-1,1] -> unit [B,D]."""
        return self._once("identity", self._network)

    @property
    def encoder(self) -> nn.Module | None:
        """e4e layout: image [-1,1] -> w_plus; None where the pack does without and it is not at hand."""
        return self._once("encoder", self._network)

    def optional(self, role: str) -> nn.Module | None:
        """The network of a role that packs may lack, opened as its kind says; None where it is not at
        hand."""
        if role not in self.manifest.networks:
            return None
        return self._once(role, self._network)

    def fetch(self, *roles: str) -> Steps[None]:
        """Fetch networks that only one kind of edit needs, when it is asked for.  Roles that a pack does not
        list are passed over.  Raises WeightMissing, WeightCorrupt."""
        for role in roles:
            network = self.manifest.networks.get(role)
            if network is None or role in self._found:
                continue
            self._found[role] = yield from hub.fetch(network, self.manifest.folder)
            self._missed.discard(role)

    @property
    def perceptual(self) -> Any:
        """The perceptual losses (networks.perceptual.Perceptual)."""
        return self._once("perceptual", self._open_perceptual)

    @property
    def pnorm(self) -> PNorm:
        """Statistics of W on the pack's device; computed from the generator where there is no file."""
        return self._once("pnorm", self._open_pnorm)

    @property
    def lending(self) -> torch.Tensor | None:
        """[D,D], on the pack's device: what of a move in W is hair (`pose.lend`); None where not known."""
        return self._once("lending", self._open_lending)

    @property
    def landmarker(self) -> Path | None:
        """The MediaPipe Face Landmarker file: ``BARBERSHOP_LANDMARKER``, else the pack's, else None."""
        own = os.environ.get("BARBERSHOP_LANDMARKER")
        if own:
            if not Path(own).expanduser().is_file():
                raise WeightMissing(
                    f"BARBERSHOP_LANDMARKER names {own}, which is no file.", "Correct or unset it."
                )
            return Path(own).expanduser()
        return self._once("landmarker", self._file)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name the manifest and the generator in use; part of cache keys."""
        return self._once("fingerprint", self._make_fingerprint)

    # ------------------------------------------------------------------------- files

    def download(self, level: str = "wanted") -> Steps[None]:
        """Fetch ahead what would be fetched at first use (see manifest.NEEDS for ``level``).

        Yields nothing where everything is here already.  Raises WeightMissing, WeightCorrupt.
        """
        given = ["landmarker"] if os.environ.get("BARBERSHOP_LANDMARKER") else []
        known = {*self._found, *self._open, *self._missed, *given}
        found = yield from hub.download_pack(self.manifest, level, without=known)
        for role, file in found.items():
            if file is not None:
                self._found.setdefault(role, file)
            elif self.manifest.networks[role].need == "wanted":
                self._missed.add(role)

    def file(self, role: str) -> Path | None:
        """The verified file of a role, fetched if need be; None where the pack does without it."""
        with self._locks.get(role) or nullcontext():
            return self._file(role)

    def _file(self, role: str) -> Path | None:
        found = self._find(role, ())
        return None if found is None else found.path

    def _find(self, role: str, skip) -> local.Found | None:
        """The file of a role that is none of ``skip``, fetched only as its need allows."""
        network = self.manifest.networks.get(role)
        if network is None:
            return None
        if role in self._found and self._found[role].source not in skip:
            return self._found[role]
        if network.need == "required":
            found = run(hub.fetch(network, self.manifest.folder, skip), self.on_step)
        else:
            found = local.locate(network, self.manifest.folder, skip)
            if found is None and network.need == "wanted" and role not in self._missed:
                found = self._try_fetch(network, skip)
        if found is not None:
            self._found[role] = found
        return found

    def _try_fetch(self, network: Network, skip) -> local.Found | None:
        try:
            return run(hub.fetch(network, self.manifest.folder, skip), self.on_step)
        except WeightError as error:
            self._missed.add(network.role)
            self._notice(f"Done without: {error.what}")
            return None

    # ------------------------------------------------------------------------- opening

    def _once(self, key: str, make: Callable[[str], Any]) -> Any:
        with self._locks[key]:
            if key not in self._open:
                value = make(key)
                need = getattr(self.manifest.networks.get(key), "need", "required")
                if value is None and need in ("ahead", "optional"):
                    return None  # it may turn up later; looking costs nothing
                self._open[key] = value
            return self._open[key]

    def _load(self, role: str, build: Callable[[local.Found], Any]) -> Any:
        """``build`` of the first source whose contents prove right, too."""
        network, skip, reasons = self.manifest.networks[role], [], []
        while True:
            try:
                found = self._find(role, skip)
            except WeightError as error:
                if not reasons:
                    raise
                raise WeightCorrupt(f"{'; '.join(reasons)}; {error.what}", error.remedy) from error
            if found is None:
                return None
            try:
                return build(found)
            except (WeightCorrupt, UnsafePickle) as error:
                if network.need == "required" and len(skip) + 1 == len(network.sources):
                    raise type(error)(f"{found.path}: {error.what}", error.remedy) from error
                reasons.append(f"{found.source.where} ({found.source.file}): {error.what}")
                self._notice(f"Another source of the {role} is used: {reasons[-1]}")
                skip.append(found.source)
                self._found.pop(role, None)

    def _network(self, role: str) -> nn.Module | None:
        from . import networks

        if role not in self.manifest.networks:
            if role == "encoder":
                return None
            raise PackError(f"The pack '{self.name}' has no {role}.", f"Add one to {self.manifest.path}.")
        kind = self.manifest.networks[role].kind
        net = self._load(role, lambda found: networks.load(kind, found.path).to(self.device))
        if net is None:
            self._notice(
                f"The {role} of '{self.name}' is not here and is done without; "
                f"'python -m barbershop_core download --pack {self.name} --all' fetches it."
            )
        return net

    def _open_parser(self, role: str) -> Parser:
        net = self._network(role)
        network, source = self.manifest.networks[role], self._found[role].source
        return Parser(net, source.input_size or network.input_size or 512, source.table or network.table)

    def _open_perceptual(self, role: str) -> Any:
        from .networks import perceptual
        from .weights import checkpoint

        def build(found: local.Found) -> Any:
            return perceptual.from_state(checkpoint.read(found.path)).to(self.device)

        return self._load(role, build)

    def _open_pnorm(self, role: str) -> pnorm.PNorm:
        from .inversion.prior import PNorm, from_arrays
        from .weights import checkpoint

        statistics = None
        if role in self.manifest.networks:
            statistics = self._load(role, lambda found: from_arrays(checkpoint.read(found.path)))
        if statistics is None:
            statistics = PNorm.fit(_mapping_samples(self.generator))
        return statistics.to(self.device)

    def _open_lending(self, role: str) -> torch.Tensor | None:
        from .weights import checkpoint

        def build(found: local.Found) -> torch.Tensor:
            matrix = checkpoint.read(found.path).get("matrix")
            width = self.generator.style_dim
            if matrix is None or tuple(matrix.shape) != (width, width):
                raise WeightCorrupt(
                    f"{found.path} holds no matrix [{width},{width}].",
                    "Make it again with barbershop_core.training.studio_pack.",
                )
            return matrix.float().to(self.device)

        return self._load(role, build) if role in self.manifest.networks else None

    def _make_fingerprint(self, _: str) -> str:
        described = repr([asdict(n) for n in self.manifest.networks.values()])
        assert self.generator is not None  # opened first: its contents may turn out wrong and be replaced
        weights = digest(self._found["generator"].path, "sha256", local.remembered())
        return hashlib.sha256(f"{self.name}\n{described}\n{weights}".encode()).hexdigest()[:16]

    def _notice(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)


@torch.no_grad()
def _mapping_samples(generator: nn.Module, count: int = 100_000, seed: int = 0) -> torch.Tensor:
    """w [count,D] of seeded z, on the CPU."""
    noise = torch.Generator().manual_seed(seed)
    device = next(generator.parameters()).device
    z_dim = getattr(generator, "z_dim", generator.style_dim)
    return torch.cat(
        [
            generator.mapping(torch.randn(4000, z_dim, generator=noise).to(device)).float().cpu()
            for _ in range(count // 4000)
        ]
    )
