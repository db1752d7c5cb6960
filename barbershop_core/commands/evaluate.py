"""The command evaluate."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadRequest
from ..options import PRESET, SEED
from ..styleclip.options import METHOD
from .arguments import add_common, add_workers, given
from .console import Progress
from .output import in_a_folder

if TYPE_CHECKING:
    from ..evaluation.scoring import Workers
    from ..progress import Steps
    from ..protocols import PackLike


def add(commands) -> None:
    """The parsers of evaluate, one a table."""
    evaluate = commands.add_parser("evaluate", help="tables against ground truth and the papers' metrics")
    kinds = evaluate.add_subparsers(dest="kind", required=True, metavar="kind")

    hair = kinds.add_parser("hair", help="transfers of rendered people against the rendered truth")
    hair.add_argument("--pairs", type=int, default=50, help="number of held-out triples (default 50)")
    _add_files(hair, hair_table, "of the first dozen")

    text = kinds.add_parser("text", help="edits by words, scored by a network that reads portraits")
    text.add_argument("--portraits", type=int, default=50, help="held-out portraits a prompt (default 50)")
    methods = list(METHOD.choices)
    some = f"some of: {' '.join(methods)} (default all)"
    text.add_argument("--methods", nargs="+", default=methods, metavar="METHOD", help=some)
    text.add_argument("--prompts", nargs="+", metavar="PROMPT", help="only these of the scored prompts")
    _add_files(text, text_table, "of one portrait a prompt")

    pose = kinds.add_parser("pose", help="edits by the rig against the rendered truth, and ablations")
    pose.add_argument("--portraits", type=int, default=20, help="held-out portraits (default 20)")
    rows = "full no_identity no_edit no_invariance no_recognition w_only no_hierarchy".split()
    some = f"some of: {' '.join(rows)} optimize (default all but the last)"
    pose.add_argument("--rows", nargs="+", default=rows, metavar="ROW", help=some)
    _add_files(pose, pose_table, "of the first portraits")

    edited = kinds.add_parser("photos", help="edits of the photos of a folder: texture, colours, likeness")
    edited.add_argument("folder", type=Path)
    edited.add_argument("--limit", type=int, help="only the first so many photos")
    words = '"own hair" "other hair" "yaw 12" "pitch 8" "open mouth" light "blond hair" smiling'
    edited.add_argument("--rows", nargs="+", metavar="ROW", help=f"some of: {words} (default all)")
    _add_files(edited, photos_table, "of all results")

    paired = kinds.add_parser("pairs", help="hair between photos, in the papers' figures and beside them")
    paired.add_argument("folder", type=Path)
    columns = "photos of the folder: columns face, shape, color (default: each gets the hair of the next)"
    paired.add_argument("--pairs", type=Path, metavar="CSV", dest="listing", help=columns)
    paired.add_argument("--limit", type=int, help="only the first so many pairs")
    _add_files(paired, pairs_table, "of all results")

    photos = kinds.add_parser("reconstruction", help="how well photos of a folder are embedded")
    photos.add_argument("folder", type=Path)
    photos.add_argument("--limit", type=int, help="only the first so many photos")
    _add_files(photos, reconstruction_table)


def _add_files(parser: argparse.ArgumentParser, table, sheet: str = "") -> None:
    """Options of an evaluation.  table: its ``table(pack, options, shared)``, which returns its steps."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    if sheet:
        parser.add_argument("--sheet", type=Path, metavar="PNG", help=f"write a contact sheet {sheet}")
        add_workers(parser)
    parser.set_defaults(table=table)
    add_common(parser, evaluate)


def hair_table(pack: PackLike, options: argparse.Namespace, shared: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Steps of ``evaluate hair``.  shared: preset and seed, where they were given."""
    from ..evaluation.hair import hair

    return hair(pack, options.pairs, sheet=options.sheet, workers=_workers(options), **shared)


def text_table(pack: PackLike, options: argparse.Namespace, shared: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Steps of ``evaluate text``.  shared: preset and seed, where they were given."""
    from ..evaluation.words import text

    wanted = {
        "methods": options.methods,
        "prompts": options.prompts,
        "sheet": options.sheet,
        "workers": _workers(options),
    }
    return text(pack, options.portraits, **wanted, **shared)


def pose_table(pack: PackLike, options: argparse.Namespace, shared: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Steps of ``evaluate pose``.  shared: preset and seed, where they were given."""
    from ..evaluation.pose import pose

    return pose(pack, options.portraits, rows=options.rows, sheet=options.sheet, workers=_workers(options), **shared)


def photos_table(pack: PackLike, options: argparse.Namespace, shared: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Steps of ``evaluate photos``.  shared: preset and seed, where they were given."""
    from ..evaluation.photo_rows import ROWS
    from ..evaluation.photos import photos

    wanted = {
        "limit": options.limit,
        "rows": options.rows or ROWS,
        "sheet": options.sheet,
        "workers": _workers(options),
    }
    return photos(pack, options.folder, **wanted, **shared)


def pairs_table(pack: PackLike, options: argparse.Namespace, shared: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Steps of ``evaluate pairs``.  shared: preset and seed, where they were given."""
    from ..evaluation.pairs import pairs

    return pairs(
        pack,
        options.folder,
        options.listing,
        limit=options.limit,
        sheet=options.sheet,
        workers=_workers(options),
        **shared,
    )


def reconstruction_table(pack: PackLike, options: argparse.Namespace, shared: dict[str, Any]) -> Steps[dict[str, Any]]:
    """Steps of ``evaluate reconstruction``.  shared: preset and seed, where they were given."""
    from ..evaluation.reconstruction import reconstruction

    return reconstruction(pack, options.folder, limit=options.limit, **shared)


def _workers(options: argparse.Namespace) -> Workers:
    from ..evaluation.scoring import Workers

    return Workers(options.workers, options.ray, options.gpus_per_worker)


def evaluate(options, console) -> None:
    """``evaluate``: tables against ground truth and the papers' metrics."""
    for file in (options.json, vars(options).get("sheet")):
        if file:
            in_a_folder(file)
    if options.kind == "hair" and options.pairs < 1:
        raise BadRequest("--pairs has to be at least 1.")
    if options.kind in ("pairs", "photos", "reconstruction") and not options.folder.is_dir():
        raise BadRequest(f"There is no folder {options.folder}.", "Give a folder of photos.")

    from .. import open_pack

    progress = Progress(console, options.quiet)
    pack = open_pack(options.pack, device=options.device, on_step=progress)
    table = progress.run(options.table(pack, options, given(options, (PRESET, SEED))))
    for notice in table.get("notices", ()):
        progress.note(notice)
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")
    for prompt, rows in table.get("prompts", {}).items():
        print(f"{prompt}\n{_lines(rows)}")
    for title, rows in table.get("published", {}).items():
        print(f"{title}\n{_lines(rows)}\n")
    if "stages" in table:
        print(_lines({"seconds": table["stages"]}) + "\n")
    print(_lines(table["rows"]) if "rows" in table else json.dumps(table, indent=2), flush=True)


def _lines(rows: dict[str, dict[str, float]]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    first = max([12, *(len(name) + 1 for name in rows)])
    widths = {column: max(12, len(column) + 2) for column in columns}
    lines = [f"{'':<{first}}" + "".join(f"{c:>{widths[c]}}" for c in columns)]
    for name, row in rows.items():
        cells = (f"{row[c]:.3f}" if isinstance(row.get(c), (int, float)) else "-" for c in columns)
        lines.append(f"{name:<{first}}" + "".join(f"{cell:>{widths[c]}}" for c, cell in zip(columns, cells)))
    return "\n".join(lines)
