"""The command rehearse: random weights of full size, and every edit on them."""

from __future__ import annotations

from pathlib import Path

from .arguments import add_common
from .console import Progress


def add(commands) -> None:
    """The parser of rehearse."""
    parser = commands.add_parser(
        "rehearse", help="run every edit on random weights of full size; a table of time and memory"
    )
    parser.add_argument("photos", nargs="*", type=Path, help="up to three portraits (default: rendered ones)")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the weights (1.5 GB), kept for the next time"
    )
    parser.add_argument("--size", type=int, default=1024, help="of the generator's pictures, px (default 1024)")
    parser.add_argument("--work", type=int, help="px at which edits work (default: as ffhq does on the device)")
    parser.add_argument("--steps", type=int, help="iterations at most (default: 2 on a CPU, else the presets')")
    parser.add_argument("--only", action="append", metavar="WORDS", help="stages whose name has these words")
    add_common(parser, rehearse, "Markdown to write the table to", preset=False)


def rehearse(options, console) -> int:
    """``rehearse``: write the weights where they are missing, run the stages, print the table; 1 if one failed."""
    from .. import open_pack
    from ..rehearsal import edits
    from ..rehearsal.random_networks import Sizes
    from ..rehearsal.random_pack import write_pack

    progress = Progress(console, options.quiet)
    manifest = options.out / "pack.toml"
    options.out.mkdir(parents=True, exist_ok=True)
    if options.pack is None and not manifest.is_file():
        progress.run(write_pack(options.out, Sizes(size=options.size), options.seed or 0))
    pack = open_pack(options.pack or manifest, device=options.device, on_step=progress)
    if options.work:
        pack.working_size = min(options.work, pack.size)
    steps = options.steps or (2 if pack.device.type == "cpu" else None)
    rehearsal = edits.Rehearsal(pack, options.out, options.photos, steps)
    rows = progress.run(edits.rehearse(rehearsal, options.only or ()))
    text = edits.table(rows)
    print(text, flush=True)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 1 if any(row.error or not row.finite for row in rows) else 0
