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
    add_common(fetch, download, preset=False)

    check = commands.add_parser("doctor", help="what is needed, cached, verified, and under which licence")
    check.add_argument("--json", action="store_true", help="as JSON on stdout")
    add_common(check, doctor, preset=False)


def download(options, console) -> int:
    """``download``: fetch and verify what a pack needs, then report as ``doctor`` does."""
    from .. import open_pack

    progress = Progress(console, options.quiet)
    pack = open_pack(options.pack, device=options.device)
    progress.run(pack.download("optional" if options.all else "wanted"))
    return doctor(options, console)


def doctor(options, console) -> int:
    """``doctor``: what is needed, cached, verified, and under which licence; 1 where something is missing."""
    from .doctor import render, report

    data = report(options.pack, options.device)
    tell(options, [render(data)], data)
    return 0 if data["ready"] else 1
