"""Checks a whole job file before the first edit: every mistake at once, each with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..editing.mask_file import read_mask
from ..errors import BadRequest, BarbershopError
from ..operations import HAIR, OPERATIONS, PHOTOS, Operation, operation_named, photo_name
from ..options import Option
from ..photo import Portrait
from ..protocols import PackLike
from . import files
from .job import Job, Photo, key_of
from .job_file import Row, Table

DEFAULT = "transfer"
"""The operation of a line that names none."""
COMMANDS = {"hair": "transfer", "face": "swap_face", "text": "edit_text", "pose": "repose"}
"""Operations as the commands are called."""
LONGEST = 120
"""Characters of a picture's name."""
BESIDE = ("", "-photo", "-colours")
"""Endings of the names of the files that a job may write."""


class Mistakes(BadRequest):
    """A job file with mistakes.  mistakes: a sentence for each, which begins with file and line."""

    def __init__(self, name: str, found: list[tuple[int, str]]):
        self.mistakes = tuple(f"{name}:{line}: {sentence}" for line, sentence in sorted(found, key=lambda m: m[0]))
        count = "one mistake" if len(found) == 1 else f"{len(found)} mistakes"
        super().__init__(f"There {'is' if len(found) == 1 else 'are'} {count}; nothing was started.", "")

    def __str__(self) -> str:
        return "\n".join((*self.mistakes, self.what))


def check(table: Table, pack: PackLike, shared: Mapping[str, Any] | None = None) -> list[Job]:
    """The jobs of a table.

    pack: what the jobs will run with.  shared: options for all lines that do not give their own and whose operation
    has them.  Photos are looked for and their bytes hashed, but not decoded.  Raises Mistakes.
    """
    checker = _Checker(table, pack, dict(shared or {}))
    jobs = [job for row in table.rows if (job := checker.job(row)) is not None]
    if checker.mistakes:
        raise Mistakes(table.name, checker.mistakes)
    return jobs


class _Checker:
    """What is known of the lines so far."""

    def __init__(self, table: Table, pack: PackLike, shared: dict[str, Any]):
        self.table, self.pack, self.shared = table, pack, shared
        self.mistakes = list(table.mistakes)
        self._hashes: dict[str, str | BadRequest] = {}
        self._lines: dict[str, int] = {}  # of the keys of jobs
        self._names: dict[str, int] = {}  # of files, in lower case: some systems do not tell them apart

    def job(self, row: Row) -> Job | None:
        """The job of a line; None where it has mistakes."""
        before, cells = len(self.mistakes), dict(row.cells)
        operation = self._operation(row.line, cells)
        name = self._name(row.line, cells.pop("name", None))
        for region, path in self._regions(row.line, cells).items():
            cells[f"region {region}"] = path
        photos = self._photos(row.line, cells, operation)
        mask = self._mask(row.line, cells, operation)
        if operation is None:
            for column in cells:
                self._unless_known(row.line, column)
            return None
        options = self._options(row.line, cells, operation)
        if len(self.mistakes) == before:
            self._start(row.line, operation, photos, options, mask)
        if len(self.mistakes) > before:
            return None
        key = key_of(operation.name, photos, options, mask, self.pack)
        if (first := self._lines.setdefault(key, row.line)) != row.line:
            return self._wrong(row.line, f"The line asks for the same as line {first}.")
        if name is None:
            name = _own_name(operation, photos, key)
            self._taken(row.line, name)
        return Job(row.line, name, operation.name, photos, options, mask, key)

    def _wrong(self, line: int, sentence: object) -> None:
        self.mistakes.append((line, str(sentence)))

    def _operation(self, line: int, cells: dict[str, Any]) -> Operation | None:
        name = str(cells.pop("operation", DEFAULT)).strip().lower()
        name = COMMANDS.get(name, name)
        try:
            operation = operation_named(name)
        except BadRequest as error:
            return self._wrong(line, error)
        if operation.session:
            files = ", ".join(name for name, one in OPERATIONS.items() if not one.session)
            return self._wrong(line, f"The operation '{name}' makes no picture. Choose one of: {files}.")
        return operation

    def _name(self, line: int, given: Any) -> str | None:
        """A name that can be that of a file."""
        if given is None:
            return None
        name = str(given).strip().removesuffix(".png")
        if not name or len(name) > LONGEST or name.startswith(".") or re.search(r'[\x00-\x1f<>:"/\\|?*]', name):
            return self._wrong(line, f"'{given}' cannot be the name of a file. Use letters, digits and hyphens.")
        return name if self._taken(line, name) else None

    def _taken(self, line: int, name: str) -> bool:
        wanted = [f"{name}{ending}".lower() for ending in BESIDE]
        first = next((self._names[one] for one in wanted if one in self._names), None)
        if first is not None:
            self._wrong(line, f"Line {first} writes '{name}', too. Give each job a name of its own.")
            return False
        self._names |= dict.fromkeys(wanted, line)
        return True

    # --- photos ----------------------------------------------------------------------------

    def _regions(self, line: int, cells: dict[str, Any]) -> dict[str, Any]:
        """The option ``regions`` of JSON: photos by region, as the columns "region nose" give them."""
        given = cells.pop("regions", None) or {}
        if isinstance(given, str):
            given = self._json(line, "regions", given)
        if given is None or isinstance(given, Mapping):
            return dict(given or {})
        self._wrong(line, 'The regions are not photos by region, such as {"nose": "anna.jpg"}.')
        return {}

    def _photos(self, line: int, cells: dict[str, Any], operation: Operation | None) -> dict[str, Photo]:
        found, roles = {}, [column for column in cells if column in PHOTOS or column.startswith("region ")]
        for role in roles:
            path, face = cells.pop(role), self._face(line, cells, role)
            if operation is not None and not _allowed(operation, role):
                self._wrong(line, f"The operation '{operation.name}' takes no {photo_name(role)}.")
            elif (photo := self._file(line, photo_name(role), path, face)) is not None:
                found[role] = photo
        for role in operation.needs if operation is not None else ():
            if role not in roles:
                self._wrong(line, f"The {photo_name(role)} is missing. Give one in the column '{role}'.")
        return found

    def _face(self, line: int, cells: dict[str, Any], role: str) -> int | None:
        given = cells.pop(f"{role}_index", None)
        if given is None:
            return None
        try:
            number = int(str(given))
        except ValueError:
            number = -1
        if number < 0:
            self._wrong(line, f"{role}_index = {given} is no number of a face. Give 0 for the largest, 1, 2 ...")
            return None
        return number

    def _file(self, line: int, what: str, path: Any, face: int | None = None) -> Photo | None:
        if not isinstance(path, str):
            return self._wrong(line, f"The {what} {path!r} is not the path of a file.")
        place = files.beside(self.table.folder, path)
        if place not in self._hashes:
            try:
                there = files.is_file(place)
                self._hashes[place] = files.sha256(place) if there else BadRequest(f"There is no {what} at {path}.")
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                self._hashes[place] = BadRequest(f"The {what} {path} cannot be opened ({reason}).")
        digest = self._hashes[place]
        return self._wrong(line, digest) if isinstance(digest, BadRequest) else Photo(place, digest, face)

    def _mask(self, line: int, cells: dict[str, Any], operation: Operation | None) -> Photo | None:
        if "mask" not in cells or operation is None or not any(o.name == "mask" for o in operation.options):
            return None
        photo = self._file(line, "painted mask", cells.pop("mask"))
        if photo is not None and files.is_url(photo.path):
            return self._wrong(line, "A painted mask has to be a file. Copy it beside the job file.")
        try:
            if photo is not None:
                read_mask(photo.path)
        except BadRequest as error:
            return self._wrong(line, error)
        return photo

    # --- options ---------------------------------------------------------------------------

    def _options(self, line: int, cells: dict[str, Any], operation: Operation) -> dict[str, Any]:
        listed = {option.name: option for option in operation.options}
        found = {name: value for name, value in self.shared.items() if name in listed and name not in cells}
        for name, value in cells.items():
            if name in listed:
                try:
                    found[name] = listed[name].check(self._value(line, listed[name], value))
                except BadRequest as error:
                    self._wrong(line, error)
            elif self._unless_known(line, name):
                self._wrong(line, f"The operation '{operation.name}' has no option '{name}'.")
        return found

    def _value(self, line: int, option: Option, value: Any) -> Any:
        """A cell's text as the option's kind; what JSON gave stays."""
        if isinstance(value, str) and option.kind in (int, float):
            try:
                value = float(value)
            except ValueError:
                raise BadRequest(f"{option.name} = {value} is not a number.", "Write it as 1.5.") from None
        elif isinstance(value, str) and option.kind is object and value[:1] in ("{", "["):
            return self._json(line, option.name, value)
        number = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if option.kind is float and number else value

    def _json(self, line: int, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return self._wrong(line, f"The {name} is not JSON that can be read: {text[:60]}.")

    def _unless_known(self, line: int, column: str) -> bool:
        """Whether any operation has such a column; a mistake where none has."""
        role = column.removesuffix("_index")
        known = role in PHOTOS or role.startswith("region ")
        if known or any(option.name == column for one in OPERATIONS.values() for option in one.options):
            return True
        self._wrong(line, f"There is no option '{column}'." if column else "A cell stands in a column without a name.")
        return False

    def _start(self, line: int, operation: Operation, photos, options: Mapping[str, Any], mask: Photo | None) -> None:
        """Let the operation check what it is asked for; its work, which would need the photos, is not begun."""
        portrait = Portrait(np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8), np.zeros((4, 2)))
        given = with_regions(options, photos) | ({"mask": read_mask(mask.path)} if mask else {})
        try:
            operation.start(self.pack, None, dict.fromkeys(photos, portrait), given).close()
        except BarbershopError as error:
            self._wrong(line, error)


def with_regions(options: Mapping[str, Any], roles: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the roles of photos that are those of regions, as a transfer takes them."""
    regions = {role.removeprefix("region "): role for role in roles if role.startswith("region ")}
    return {**options, "regions": regions} if regions else dict(options)


def _allowed(operation: Operation, role: str) -> bool:
    if role.startswith("region "):
        return operation.takes == HAIR
    return role in operation.needs or role in operation.takes


def _own_name(operation: Operation, photos: Mapping[str, Photo], key: str) -> str:
    """A name for a job without one: those of its photos, what is done, and a few digits that no other job has."""
    stems = dict.fromkeys(files.name_of(photo.path).rpartition(".")[0] for photo in photos.values())
    words = "+".join(stems) if operation.name == DEFAULT else f"{'+'.join(stems)}-{operation.name}"
    plain = re.sub(r"[^\w.+-]+", "_", words)[:80].lstrip(".")
    return f"{plain}-{key[:8]}"
