"""The commands download and doctor."""

from __future__ import annotations

from .arguments import add_common
from .console import Progress
from .output import tell


def add(commands) -> None:
    """The parsers of download and doctor."""
    fetch = commands.add_parser("download", help="fetch and verify what a pack needs")
    fetch.add_argument("--json", action="store_true", help="the doctor's report as JSON on stdout")
    fetch.add_argument("--all", action="store_true", help="also what is optional")
    fetch.add_argument("--also", nargs="+", default=[], metavar="ROLE", help="also these of what is optional")
    convert = "keep copies as .safetensors of what comes as a pickle; they are read in its place"
    fetch.add_argument("--convert", action="store_true", help=convert)
    add_common(fetch, download, preset=False)

    check = commands.add_parser("doctor", help="what is needed, cached, verified, and under which licence")
    check.add_argument("--json", action="store_true", help="as JSON on stdout")
    check.add_argument("--offline", action="store_true", help="do not ask the sources whether they answer")
    add_common(check, doctor, preset=False)


def download(options, console) -> int:
    """``download``: fetch and verify what a pack needs, then report as ``doctor`` does."""
    from .. import open_pack
    from ..weights import checkpoint

    progress = Progress(console, options.quiet)
    pack = open_pack(options.pack, device=options.device)
    progress.run(pack.download("optional" if options.all else "wanted", options.also))
    if options.convert:
        for role in pack.manifest.networks:
            if (found := pack.find(role)) is not None and checkpoint.convert(found.path):
                progress.note(f"The {role} is kept as .safetensors, too.")
    return _report(options, ask=False)


def doctor(options, console) -> int:
    """``doctor``: what is needed, cached, verified, which sources answer; 1 where something is missing."""
    return _report(options, ask=not options.offline)


def _report(options, ask: bool) -> int:
    from .doctor import render, report

    data = report(options.pack, options.device, ask)
    tell(options, [render(data)], data)
    return 0 if data["ready"] else 1
