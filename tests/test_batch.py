"""Batches: job files, their mistakes, what survives a kill, pictures that are those of single calls."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT, picture
from job_files import PEOPLE, contents, write
from PIL import Image
from tiny_presets import fast_is_tiny

from barbershop_core import Studio, batch, open_pack, run
from barbershop_core.batch import manifest
from barbershop_core.batch.order import ordered
from barbershop_core.batch.portraits import Portraits
from barbershop_core.editing import recipe
from barbershop_core.errors import BadRequest, NoFaceFound
from barbershop_core.inversion.cache import CodeCache
from barbershop_core.photo import Portrait
from barbershop_core.workers.threads import limited


@pytest.fixture
def photos_of_people(tmp_path) -> Path:
    """A folder with six pictures."""
    for seed, name in enumerate(PEOPLE):
        picture(tmp_path / f"{name}.png", seed)
    return tmp_path


@pytest.fixture
def tiny(monkeypatch):
    fast_is_tiny(monkeypatch)


def checked(path: Path, pack, **shared) -> list[batch.Job]:
    return batch.check(batch.read(path), pack, shared)


# --- job files --------------------------------------------------------------------------------


def test_columns_are_photos_and_options(photos_of_people, small_pack):
    path = write(
        photos_of_people,
        "name,operation,face,Shape,region nose,face_index,smooth,yaw,light,prompt\n"
        "one,,anna.png,bob.png,cleo.png,0,8,,,\n"
        '\n"two\nlines",edit_text,anna.png,,,,,,,"blond, curly hair"\n'.replace("two\nlines", "two")
        + 'three,repose,bob.png,,,,,12.5,"{""azimuth"": -40}",\n',
    )
    table = batch.read(path)
    assert [row.line for row in table.rows] == [2, 4, 5]
    first, second, third = table.rows
    assert first.cells["hair_shape"] == "bob.png" and first.cells["region nose"] == "cleo.png"
    jobs = batch.check(batch.Table(table.name, table.folder, (first, second)), small_pack)
    assert [job.name for job in jobs] == ["one", "two"]
    assert jobs[0].photos["face"].face == 0 and jobs[0].options == {"smooth": 8.0}
    assert jobs[0].photos["region nose"].path == str(photos_of_people / "cleo.png")
    assert jobs[1].options == {"prompt": "blond, curly hair"}
    assert third.cells["light"] == '{"azimuth": -40}'


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets_separate_cells_in_three_ways(photos_of_people, small_pack, delimiter):
    text = "face,shape,smooth\nanna.png,bob.png,7\n".replace(",", delimiter)
    (photos_of_people / "jobs.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    (job,) = checked(photos_of_people / "jobs.csv", small_pack)
    assert job.options == {"smooth": 7.0} and set(job.photos) == {"face", "hair_shape"}


def test_json_lines_are_the_same_jobs(photos_of_people, small_pack):
    table = write(photos_of_people, "face,shape,region nose,smooth\nanna.png,bob.png,cleo.png,7\n")
    job = {"face": "anna.png", "hair_shape": "bob.png", "regions": {"nose": "cleo.png"}, "smooth": 7, "mode": None}
    lines = write(photos_of_people, "\n" + json.dumps(job) + "\n", "jobs.jsonl")
    assert checked(lines, small_pack)[0].key == checked(table, small_pack)[0].key


def test_key_is_content_and_options(photos_of_people, small_pack):
    path = write(photos_of_people, "face,shape,smooth\nanna.png,bob.png,\nanna.png,cleo.png,\nanna.png,bob.png,9\n")
    keys = [job.key for job in checked(path, small_pack)]
    assert len(set(keys)) == 3
    (photos_of_people / "bob.png").rename(photos_of_people / "robert.png")
    same = write(photos_of_people, "face,shape,smooth,mode\nanna.png,robert.png,5,realistic\n")
    assert checked(same, small_pack)[0].key == keys[0]  # the defaults, and another name
    picture(photos_of_people / "anna.png", 99)
    assert checked(same, small_pack)[0].key != keys[0]


def test_names_without_a_column_differ_and_do_not_depend_on_lines(photos_of_people, small_pack):
    rows = ["anna.png,bob.png,5", "anna.png,bob.png,6", "anna.png,cleo.png,5"]
    names = []
    for lines in (rows, rows[::-1]):
        path = write(photos_of_people, "\n".join(["face,shape,smooth", *lines]))
        names.append({job.name for job in checked(path, small_pack)})
    assert names[0] == names[1] and len(names[0]) == 3
    assert all(name.startswith(("anna+bob-", "anna+cleo-")) for name in names[0])


def test_mistakes_of_the_file_itself(photos_of_people, small_pack):
    table = batch.read(write(photos_of_people, 'face,face,shape\nanna.png,,"bob.png\n'))
    assert [line for line, _ in table.mistakes] == [1, 2]
    lines = batch.read(write(photos_of_people, '{"face": \n[1]\n{"shape": "a", "hair shape": "b"}', "jobs.jsonl"))
    assert [line for line, _ in lines.mistakes] == [1, 2, 3]
    for text in ("", "\n\n", "face,shape\n"):
        with pytest.raises(BadRequest, match="no jobs"):
            batch.read(write(photos_of_people, text))
    (photos_of_people / "jobs.csv").write_bytes(b"face\n\xff\xfe\n")
    with pytest.raises(BadRequest, match="UTF-8"):
        batch.read(photos_of_people / "jobs.csv")
    with pytest.raises(BadRequest, match="no job file"):
        batch.read(photos_of_people / "none.csv")


def test_urls_of_fsspec(photos_of_people, small_pack, tiny, tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("anna.png", "bob.png"):
        memory.pipe(f"/faces/{name}", (photos_of_people / name).read_bytes())
    memory.pipe("/faces/jobs.csv", b"name,face,shape\nnew,anna.png,memory://faces/bob.png\n")
    jobs = checked("memory://faces/jobs.csv", small_pack)
    made = run(batch.run(Studio(small_pack, cache=False), jobs, tmp_path / "remote"))
    here = checked(write(photos_of_people, "name,face,shape\nnew,anna.png,bob.png\n"), small_pack)
    run(batch.run(Studio(small_pack, cache=False), here, tmp_path / "local"))
    assert made.done == 1 and contents(tmp_path / "remote") == contents(tmp_path / "local")
    memory.pipe("/faces/jobs.csv", b"face,shape\nanna.png,nothing://x/bob.png\n")
    with pytest.raises(batch.Mistakes, match="jobs.csv:2: .*cannot be opened"):
        checked("memory://faces/jobs.csv", small_pack)


def test_pairs_of_two_folders(tmp_path, small_pack):
    for folder, names in (("people", ("a", "b")), ("styles", ("c", "d", "e"))):
        (tmp_path / folder).mkdir()
        for name in names:
            picture(tmp_path / folder / f"{name}.png", ord(name))
    jobs = batch.check(batch.pairs(tmp_path / "people", tmp_path / "styles"), small_pack)
    assert [job.name for job in jobs] == ["a+c", "a+d", "a+e", "b+c", "b+d", "b+e"]
    assert all(job.photos["hair_shape"] == job.photos["hair_color"] for job in jobs)
    among = batch.check(batch.pairs(tmp_path / "styles", tmp_path / "styles"), small_pack)
    assert len(among) == 6  # nobody with themselves


# --- order ------------------------------------------------------------------------------------


def _jobs(people: int, styles: int) -> list[batch.Job]:
    made = []
    for person in range(people):
        for style in range(styles):
            photos = {"face": batch.Photo("", f"p{person}"), "hair_shape": batch.Photo("", f"s{style}")}
            made.append(batch.Job(0, f"{person} {style}", "transfer", photos, key=f"{person} {style}"))
    return made


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_order_keeps_persons_together_and_workers_apart(workers):
    jobs = [job for job in _jobs(6, 4)]
    found = ordered(jobs[::2] + jobs[1::2], workers)
    assert Counter(job.key for job in found) == Counter(job.key for job in jobs)
    if workers == 1:
        persons = [job.person.sha256 for job in found]
        assert sum(a != b for a, b in zip(persons, persons[1:])) == 5
    for k in range(0, workers * 4, workers):  # what is being worked on at one time
        now = found[k : k + workers]
        if workers <= 4 and k < 4:
            photos = Counter(photo.sha256 for job in now for photo in job.photos.values())
            assert max(photos.values()) == 1


# --- running ----------------------------------------------------------------------------------

MIXED = """name,operation,face,shape,color,smooth,prompt,neutral,space
hair,,anna.png,bob.png,,3,,,
colour,,anna.png,,cleo.png,,,,
words,edit_text,anna.png,,,,curly hair,hair,
again,,bob.png,anna.png,anna.png,,,,
code,invert,anna.png,,,,,,W+
regions,parse,cleo.png,,,,,,
mask,target_mask,cleo.png,bob.png,,,,,
"""

SHORT = "".join(line + "\n" for line in MIXED.splitlines() if line.startswith(("name", "hair", "code", "reg", "mask")))


def test_any_operation(photos_of_people, small_pack, tiny, tmp_path):
    jobs = checked(write(photos_of_people, MIXED), small_pack, seed=4)
    steps = []
    out = tmp_path / "out"
    made = run(batch.run(Studio(small_pack, CodeCache(tmp_path / "codes")), jobs, out), steps.append)
    assert (made.done, made.failed, made.before) == (7, 0, 0)
    assert [(step.index, step.total) for step in steps] == [(k, 7) for k in range(8)]
    assert steps[-1].losses == {"failed": 0, "minutes left": 0}
    entries = {entry["name"]: entry for entry in batch.read_manifest(out)}
    assert list(entries["hair"]["files"].values()) == ["hair.png", "hair-photo.png"]
    assert recipe.read(out / "hair-photo.png") == entries["hair"]["recipe"]
    assert entries["hair"]["recipe"]["options"]["smooth"] == 3 and entries["hair"]["recipe"]["options"]["seed"] == 4
    assert entries["hair"]["scores"]["identity"] <= 1 and entries["hair"]["seconds"] > 0
    assert entries["code"]["files"] == {"code": "code.safetensors", "reconstruction": "code.png"}
    assert (out / "code.safetensors").stat().st_size and entries["code"]["recipe"] is None
    assert Image.open(out / "regions-colours.png").mode == "RGB" and (out / "mask.png").exists()
    files = {name for entry in entries.values() for name in entry["files"].values()}
    assert {p.name for p in out.iterdir()} == files | {"manifest.jsonl", ".lock"}


def test_pictures_are_those_of_single_edits(photos_of_people, small_pack, tiny, tmp_path):
    jobs = checked(write(photos_of_people, MIXED), small_pack)
    out = tmp_path / "out"
    run(batch.run(Studio(small_pack, CodeCache(tmp_path / "codes")), jobs, out))
    for job in jobs[:4]:
        fresh = Studio(small_pack, cache=False)
        portraits = {role: fresh.read(photo.path) for role, photo in job.photos.items()}
        result = run(fresh.start(job.operation, portraits, job.options))
        assert (np.asarray(Image.open(out / f"{job.name}.png")) == np.asarray(result.image)).all(), job.name
        assert (np.asarray(Image.open(out / f"{job.name}-photo.png")) == np.asarray(result.pasted)).all(), job.name


def test_photos_are_read_parsed_and_embedded_once(photos_of_people, small_pack, tiny, tmp_path, monkeypatch):
    from barbershop_core.barbershop import transfer
    from barbershop_core.inversion import invert

    counts: Counter = Counter()

    def counting(where, name):
        plain = getattr(where, name)

        def counted(*arguments, **named):
            counts[name] += 1
            return plain(*arguments, **named)

        monkeypatch.setattr(where, name, counted)

    counting(Studio, "read")
    counting(transfer, "_regions")
    counting(invert, "embed")
    parsed = Counter()
    plain = transfer.parse

    def parse(net, image, *more):
        parsed[image.sum().item()] += 1
        return plain(net, image, *more)

    monkeypatch.setattr(transfer, "parse", parse)
    rows = [f"{face}.png,{style}.png" for face in ("anna", "bob", "cleo") for style in ("dan", "eve", "finn")]
    jobs = checked(write(photos_of_people, "\n".join(["face,shape", *rows])), small_pack)
    run(batch.run(Studio(small_pack, CodeCache(tmp_path / "codes")), jobs, tmp_path / "out"))
    assert counts["read"] == 6
    assert counts["embed"] <= 12  # of a reference F/S, and W+ where its head is turned
    assert sum(parsed.values()) == 6 + len(jobs)  # each photo, and each result for its scores


def test_a_bad_photo_fails_its_jobs_alone(photos_of_people, small_pack, tiny, tmp_path):
    (photos_of_people / "empty.png").write_bytes(b"")
    (photos_of_people / "text.png").write_text("not a picture")
    (photos_of_people / "cut.png").write_bytes((photos_of_people / "bob.png").read_bytes()[:200])
    Image.new("RGB", (200, 200), (90, 90, 90)).save(photos_of_people / "flat.png")
    Image.new("RGB", (4, 4)).save(photos_of_people / "dot.png")
    bad = "empty text cut flat dot".split()
    rows = [f"{name},{name}.png,bob.png" for name in bad] + ["good,anna.png,bob.png", "other,anna.png,empty.png"]
    jobs = checked(write(photos_of_people, "\n".join(["name,face,shape", *rows])), small_pack)
    steps, out = [], tmp_path / "out"
    made = run(batch.run(Studio(small_pack, cache=False), jobs, out), steps.append)
    assert (made.done, made.failed) == (1, 6) and set(made.failures) == {*bad, "other"}
    assert "empty.png: The file is empty." in made.failures["other"]
    assert sum(bool(step.notice) for step in steps) == 6
    assert set(contents(out)) == {"good.png", "good-photo.png"}

    again = run(batch.run(Studio(small_pack, cache=False), jobs, out))
    assert (again.done, again.failed, again.before) == (1, 6, 7)
    picture(photos_of_people / "empty.png", 7)
    jobs = checked(photos_of_people / "jobs.csv", small_pack)  # another photo now, so other jobs
    retried = run(batch.run(Studio(small_pack, cache=False), jobs, out, retry_failed=True))
    assert (retried.done, retried.failed, retried.before) == (3, 4, 1)
    assert set(retried.failures) == {"text", "cut", "flat", "dot"}


def test_an_error_nobody_foresaw_fails_one_job(photos_of_people, small_pack, tiny, tmp_path, monkeypatch):
    jobs = checked(write(photos_of_people, "name,face,shape\na,anna.png,bob.png\nb,bob.png,anna.png\n"), small_pack)
    plain = Studio.start

    def start(self, operation, photos, options, *more, **named):
        if photos["face"].source.sum() == np.asarray(Image.open(photos_of_people / "anna.png")).sum():
            raise ZeroDivisionError("oh")
        return plain(self, operation, photos, options, *more, **named)

    monkeypatch.setattr(Studio, "start", start)
    made = run(batch.run(Studio(small_pack, cache=False), jobs, tmp_path / "out"))
    assert made.failures == {"a": "Something went wrong inside the program (ZeroDivisionError: oh)."}


def test_closed_and_started_again_it_goes_on(photos_of_people, small_pack, tiny, tmp_path):
    jobs = checked(write(photos_of_people, SHORT), small_pack)
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(batch.run(Studio(small_pack, cache=False), jobs, whole))
    steps = batch.run(Studio(small_pack, cache=False), jobs, out)
    while next(steps).index < 2:
        pass
    with pytest.raises(BadRequest, match="Another batch"):
        run(batch.run(Studio(small_pack, cache=False), jobs, out))
    steps.close()
    with open(out / "manifest.jsonl", "ab") as file:
        file.write(b'{"key": "torn')
    (out / ".left.png.1-ab.partial").write_bytes(b"half")
    first = next(iter(contents(out)))
    (out / first).unlink()  # somebody removed a picture
    made = run(batch.run(Studio(small_pack, cache=False), jobs, out))
    assert (made.done, made.before) == (4, 1)
    assert contents(out) == contents(whole)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert Counter(line["name"] for line in lines) == Counter(job.name for job in jobs)
    assert not list(out.glob("*.partial"))


def test_portraits_are_kept_while_there_is_room():
    def read(photo):
        reads.append(photo.path)
        if photo.path == "bad":
            raise NoFaceFound("No face.")
        pixels = np.zeros((10, 10, 3), np.uint8)
        return Portrait(pixels, pixels, np.zeros((4, 2)))

    reads: list[str] = []
    portraits = Portraits(read, most=2500)  # a portrait has 364 bytes
    a, b, bad = (batch.Photo(name, name) for name in ("a", "b", "bad"))
    for _ in range(2):
        assert portraits(a) is portraits(batch.Photo("copy of a", "a"))
        portraits(b)
        with pytest.raises(NoFaceFound):
            portraits(bad)
        portraits.shrink()
    assert reads == ["a", "b", "bad"]
    assert portraits(b).once("found", lambda: np.zeros(2000, np.uint8)) is portraits(b).once("found", lambda: None)
    portraits.shrink()
    portraits(a)
    assert reads == ["a", "b", "bad", "a"]


def test_manifest_keeps_the_last_line_of_a_key(tmp_path):
    lines = [{"key": "a", "error": "No."}, {"key": "b", "files": {}}, {"key": "a", "files": {"image": "a.png"}}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / manifest.NAME).write_text(text + '[1]\n{"no": "key"}\n{"key": "c"')
    assert [entry["key"] for entry in batch.read_manifest(tmp_path)] == ["b", "a"]
    (tmp_path / "a.png").write_bytes(b"")
    with manifest.opened(tmp_path) as book:
        book.append({"key": "d", "files": {}, "name": "é"})
    assert [json.loads(line)["key"] for line in (tmp_path / manifest.NAME).read_text().splitlines()] == ["b", "a", "d"]


@pytest.mark.slow
def test_photographs_that_share_what_is_known_of_them_give_the_same_pictures(photos, tmp_path):
    """Against the studio pack with portraits read anew for each edit."""
    jobs = [
        {"face": "astronaut.png", "shape": "portrait_emma.jpg", "color": "portrait_emma.jpg"},
        {"face": "astronaut.png", "shape": "portrait_obama.jpg"},
        {"face": "portrait_emma.jpg", "shape": "astronaut.png"},
        {"operation": "face", "face": "astronaut.png", "into": "portrait_emma.jpg"},
        {"operation": "pose", "face": "astronaut.png", "yaw": 8, "like": "portrait_emma.jpg", "copy": ["light"]},
        {"operation": "text", "face": "astronaut.png", "prompt": "blond hair", "neutral": "hair"},
    ]
    path = write(tmp_path, "".join(json.dumps(job | {"name": str(k)}) + "\n" for k, job in enumerate(jobs)), "a.jsonl")
    table = batch.read(path)
    studio = Studio(open_pack("studio", device="cpu"), CodeCache(tmp_path / "codes"))
    checked_jobs = batch.check(batch.Table("a", str(photos), table.rows), studio.pack)
    made = run(batch.run(studio, checked_jobs, tmp_path / "out"))
    assert made.failures == {}
    with limited(1):
        for job in checked_jobs:
            portraits = {role: studio.read(photo.path) for role, photo in job.photos.items()}
            result = run(studio.start(job.operation, portraits, job.options))
            assert (np.asarray(Image.open(tmp_path / f"out/{job.name}.png")) == np.asarray(result.image)).all(), job


@pytest.mark.slow
def test_actors_of_ray_make_the_same_pictures(desk, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # where the actors find the package
    write(desk, SHORT.replace("anna", "me").replace("bob", "friend").replace("cleo", "other"))
    pack = open_pack(desk / "pack" / "pack.toml", device="cpu")
    jobs = checked(desk / "jobs.csv", pack)
    for name, staff in (("here", {}), ("actors", {"workers": 2, "ray": "local"})):
        made = run(batch.run(Studio(pack, CodeCache(tmp_path / f"codes of {name}")), jobs, tmp_path / name, **staff))
        assert (made.done, made.failures) == (len(jobs), {})
    assert contents(tmp_path / "actors") == contents(tmp_path / "here")
