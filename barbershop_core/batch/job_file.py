"""Job files: a table with a line for each edit, as CSV or as JSON lines.

Columns are "operation" (transfer where it is left out), the roles of photos ("face", "hair_shape" or "shape",
"hair_structure" or "structure", "hair_color" or "color", "into", "like", "region nose" ...), "face_index" and the like
for the number of the face in a photo, the operation's options, and "name", that of the pictures.  Photos are looked
for beside the job file.  Empty cells count as left out.  Options that are no number or word are written as JSON:
``{"azimuth": 40}``.

    face,color,operation,prompt,neutral
    anna.jpg,red.jpg,,,
    anna.jpg,,edit_text,curly hair,hair
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadRequest
from ..photo.folder import pictures_in
from . import files

MOST_BYTES = 256_000_000
ALIASES = {"shape": "hair_shape", "structure": "hair_structure", "color": "hair_color", "colour": "hair_color"}
"""Columns named as the options of the command `hair` are."""


@dataclass(frozen=True)
class Row:
    """A line with what its cells say, by column.  line: its number, from 1."""

    line: int
    cells: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A job file as it was read.

    name: of the file, for messages.  folder: where its photos are looked for.  mistakes: line and sentence of
    what cannot be read.
    """

    name: str
    folder: str
    rows: tuple[Row, ...]
    mistakes: tuple[tuple[int, str], ...] = ()


def read(path: str | Path) -> Table:
    """Read a job file: JSON lines where its name ends in .jsonl, else CSV with commas, semicolons or tabs, in UTF-8.

    path: a file, or an fsspec URL.  Raises BadRequest for a file that cannot be read at all; what is wrong in its
    lines is left to `check.check`, which reports everything at once.
    """
    path = str(path)
    try:
        if not files.is_file(path):
            raise BadRequest(f"There is no job file {path}.", "Give a CSV or JSONL file.")
        data = files.contents(path, MOST_BYTES)
        text = data.decode("utf-8-sig")  # Excel writes a byte order mark
    except UnicodeDecodeError as error:
        raise BadRequest(f"The job file {files.name_of(path)} is not text in UTF-8.", "Save it as UTF-8.") from error
    except OSError as error:
        raise BadRequest(f"The job file {path} cannot be read: {error}.", "Check its path.") from error
    lines = _json_lines if path.lower().endswith((".jsonl", ".ndjson")) else _csv_lines
    rows: list[Row] = []
    mistakes: list[tuple[int, str]] = []
    for line, found in lines(text):
        if isinstance(found, str):
            mistakes.append((line, found))
        elif found:
            rows.append(Row(line, found))
    if not rows and not mistakes:
        raise BadRequest(f"The job file {files.name_of(path)} has no jobs.", "Write a line for each edit.")
    return Table(files.name_of(path), files.folder_of(path), tuple(rows), tuple(mistakes))


def pairs(people: str | Path, styles: str | Path) -> Table:
    """Every person of a folder with the hair, shape and colour, of every photo of another folder.

    A photo that lies in both is not paired with itself.  Raises BadRequest for a folder without pictures.
    """
    faces, references = ([path.resolve() for path in pictures_in(folder)] for folder in (people, styles))
    wanted = [(face, style) for face in faces for style in references if face != style]
    if not wanted:
        raise BadRequest("A photo makes no pair with itself.", "Give other photos for the styles.")
    short = len({p.stem for p in faces}) == len(faces) and len({p.stem for p in references}) == len(references)
    rows = []
    for line, (face, style) in enumerate(wanted, 1):
        name = f"{face.stem}+{style.stem}" if short else f"{face.name}+{style.name}"
        cells = {"name": name, "face": str(face), "hair_shape": str(style), "hair_color": str(style)}
        rows.append(Row(line, cells))
    return Table("pair", "", tuple(rows))


def column(name: str) -> str:
    """The canonical name of a column: "Hair shape" and "shape" are "hair_shape", "Region nose" is "region nose"."""
    plain = " ".join(str(name).lower().replace("_", " ").split())
    if plain.startswith("region "):
        return plain
    plain = plain.replace(" ", "_").replace("-", "_")
    stem = plain.removesuffix("_index")
    return ALIASES.get(stem, stem) + plain[len(stem) :]


def _csv_lines(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, cells by column), or (line, what is wrong with it)."""
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader, columns, line = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), None, 1
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"The line cannot be read as CSV ({error})."
            continue
        if not any(cells):
            continue
        if columns is None:
            columns = [column(cell) for cell in cells]
            for name in dict.fromkeys(columns):
                if columns.count(name) > 1:
                    yield line, f"There are two columns '{name}'." if name else "Two columns have no name."
        elif len(cells) > len(columns) and any(cells[len(columns) :]):
            yield line, f"The line has {len(cells)} cells, but there are {len(columns)} columns."
        else:
            yield line, {name: cell for name, cell in zip(columns, cells) if cell}


def _json_lines(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, written in enumerate(text.splitlines(), 1):
        if not written.strip():
            continue
        try:
            found = json.loads(written)
        except (ValueError, RecursionError):
            yield line, "The line is not JSON."
            continue
        if not isinstance(found, dict):
            yield line, 'The line is not a JSON object, such as {"face": "anna.jpg"}.'
            continue
        named = {column(name): value for name, value in found.items()}
        if len(named) < len(found):
            yield line, "Two of the line's names mean the same."
        else:
            yield line, {name: value for name, value in named.items() if value not in (None, "")}
