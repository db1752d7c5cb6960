"""The command batch: mistakes told before any work, hostile photos, and whatever is killed with -9."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from itertools import permutations

import pytest
from command_line import TINY_COMMAND, cli, environment, picture
from hostile import FILES
from job_files import PEOPLE, contents, write
from patience import until
from PIL import Image
from processes import descendants, gone, title

from barbershop_core import batch


def test_many_kinds_of_mistakes_are_as_many_sentences_before_any_work(desk, tmp_path):
    for seed, name in enumerate(PEOPLE):
        picture(tmp_path / f"{name}.png", seed)
    Image.new("RGB", (8, 8), (1, 250, 3)).save(tmp_path / "green.png")
    lines = [
        "name,operation,face,shape,like,face_index,smooth,mode,prompt,light,mask,haircut",
        "a,,anna.png,bob.png,,,,,,,,",
        "b,shave,anna.png,,,,,,,,,",  # 3 no such operation
        "c,,anna.png,nobody.png,,,,,,,,",  # 4 no such photo
        "d,,anna.png,bob.png,,,,,,,,short",  # 5 no such option
        "e,edit_text,anna.png,,,,8,,blond hair,,,",  # 6 an option of another operation
        "f,,anna.png,bob.png,,,41,,,,,",  # 7 out of range
        "g,,anna.png,bob.png,,,soft,,,,,",  # 8 not a number
        "h,,anna.png,bob.png,,,,dreamy,,,,",  # 9 not a choice
        "i,,,bob.png,,,,,,,,",  # 10 a photo is missing
        "j,,anna.png,,,,,,,,,",  # 11 nothing to do
        "k,,anna.png,bob.png,,,5,,,,,",  # 12 the same as line 2
        "A,,anna.png,cleo.png,,,,,,,,",  # 13 the name of line 2
        "m,,anna.png,bob.png,cleo.png,,,,,,,",  # 14 a photo that the operation does not take
        "n,,anna.png,bob.png,,second,,,,,,",  # 15 no number of a face
        'o,repose,anna.png,,,,,,,"{azimuth}",,',  # 16 no JSON
        "p,,anna.png,,,,,,,,green.png,",  # 17 no mask
        "../q,,anna.png,dan.png,,,,,,,,",  # 18 no name
        "r,rig,anna.png,,,,,,,,,",  # 19 makes no picture
        "s,edit_text,anna.png,,,,,,,,,",  # 20 no words
        "t,,anna.png,eve.png,,,,,,,,,,,,,x",  # 21 more cells than columns
    ]
    path = write(tmp_path, "\n".join(lines))
    done = cli(desk, "batch", path, "-o", tmp_path / "out", BARBERSHOP_CACHE=str(tmp_path / "codes"))
    assert done.returncode == 2 and not (tmp_path / "out").exists() and not (tmp_path / "codes").exists()
    *found, last = done.stderr.splitlines()
    assert Counter(int(sentence.split(":")[1]) for sentence in found) == dict.fromkeys(range(3, 22), 1), found
    said = dict(zip(range(3, 22), found))
    assert all(said[line].startswith(f"jobs.csv:{line}: ") and said[line].endswith(".") for line in said)
    expected = {3: "shave", 4: "nobody.png", 5: "haircut", 6: "smooth", 7: "41", 8: "soft", 9: "dreamy", 10: "face"}
    expected |= {11: "nothing", 12: "line 2", 13: "Line 2", 14: "model", 15: "second", 16: "JSON", 17: "mask"}
    expected |= {18: "../q", 19: "rig", 20: "prompt", 21: "17 cells"}
    assert {line for line, word in expected.items() if word not in said[line]} == set(), found
    assert last == "There are 19 mistakes; nothing was started."


def test_the_command_reports_mistakes_before_any_work(desk):
    write(desk, "face,shape,smooth\nme.png,nobody.png,\nme.png,friend.png,99\n", "wrong.csv")
    done = cli(desk, "batch", "wrong.csv", "-o", "never")
    assert done.returncode == 2 and not (desk / "never").exists()
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()[:2]] == ["wrong.csv:2:", "wrong.csv:3:"]
    assert "2 mistakes" in done.stderr
    assert cli(desk, "batch").returncode == 2
    write(desk, "face,shape\nme.png,friend.png\n", "right.csv")
    done = cli(desk, "batch", "right.csv", "--check")
    assert (done.returncode, done.stdout) == (0, "1 jobs, no mistakes\n")


def test_five_hostile_photos_fail_their_jobs_and_the_rest_is_finished(desk, tmp_path):
    bad = ["SVG named as PNG", "pickle", "JPEG, cut", "bomb of 30000 x 30000", "text bomb in a PNG"]
    rows = []
    for number, name in enumerate(bad):
        path, make, _ = FILES[name]
        (tmp_path / f"{number}-{path}").write_bytes(make())
        picture(tmp_path / f"{number}.png", number)
        rows += [f"bad{number},{number}-{path},parse", f"good{number},{number}.png,parse"]
    rows.append("hair,0.png,transfer,0-a.png")  # one of them as the other photo of an edit
    table = write(tmp_path, "\n".join(["name,face,operation,shape", *rows]))
    done = cli(desk, "batch", table, "-o", tmp_path / "out", "--json")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["done"], told["failed"]) == (5, 6)
    assert set(told["failures"]) == {"bad0", "bad1", "bad2", "bad3", "bad4", "hair"}
    assert all(sentence.endswith(".") and "Error" not in sentence for sentence in told["failures"].values()), told
    assert "Traceback" not in done.stderr
    entries = {entry["name"]: entry for entry in batch.read_manifest(tmp_path / "out")}
    assert {name for name, entry in entries.items() if "error" in entry} == set(told["failures"])
    assert set(contents(tmp_path / "out")) == {f"good{k}{end}.png" for k in range(5) for end in ("", "-colours")}


@pytest.mark.slow
def test_the_command_makes_the_picture_of_the_single_command(desk):
    write(desk, "name,face,shape,region nose,smooth\nnew,me.png,friend.png,other.png,3\nbad,me.png,cut.png,,\n")
    (desk / "cut.png").write_bytes((desk / "friend.png").read_bytes()[:300])
    done = cli(desk, "batch", "jobs.csv", "--json", "--seed", "7")
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert (told["done"], told["failed"], told["out"]) == (1, 1, "jobs-results")
    assert "bad (line 3): cut.png: " in done.stderr
    arguments = "hair me.png --shape friend.png --region nose=other.png --smooth 3 --seed 7 -o single.png".split()
    assert cli(desk, *arguments).returncode == 0
    for end in (".png", "-photo.png"):
        assert (desk / f"jobs-results/new{end}").read_bytes() == (desk / f"single{end}").read_bytes()


@pytest.mark.slow
def test_killed_half_way_and_started_again(desk, tmp_path):
    """As `kill -9` does it: four people, three styles, two processes the second time."""
    rows = []
    for k in range(7):
        picture(desk / f"k{k}.png", 50 + k)
    rows = [(f"{a}{b}", f"k{a}.png", f"k{b}.png") for a in range(4) for b in (4, 5, 6)]
    with open(desk / "many.csv", "w", newline="") as file:
        csv.writer(file).writerows([("name", "face", "shape"), *rows])
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    command = [*TINY_COMMAND, "batch", "many.csv", "--quiet", "-o", str(killed)]
    process = subprocess.Popen(command, cwd=desk, env=environment(desk, BARBERSHOP_CACHE=str(tmp_path / "a")))
    until(lambda: process.poll() is not None or len(batch.read_manifest(killed)) >= 3, 600)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = batch.read_manifest(killed)
    assert 3 <= len(finished) < len(rows)

    more = {"BARBERSHOP_CACHE": str(tmp_path / "b")}
    done = subprocess.run(
        [*command, "--json", "--workers", "2"], cwd=desk, env=environment(desk, **more), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["before"] == len(finished)
    assert cli(desk, "batch", "many.csv", "-o", whole, BARBERSHOP_CACHE=str(tmp_path / "c")).returncode == 0
    assert contents(killed) == contents(whole) and len(contents(whole)) == 2 * len(rows)
    names = [json.loads(line)["name"] for line in (killed / "manifest.jsonl").read_text().splitlines()]
    assert Counter(names) == Counter(name for name, _, _ in rows)


@pytest.mark.slow
def test_actors_of_ray_killed_and_the_whole_batch_killed(desk, tmp_path):
    """As `kill -9` does it, first to one of two actors, then to the command: the pictures are those of one process."""
    pytest.importorskip("ray")
    rows = [f"{a}-{b},{a}.png,{b}.png" for a, b in permutations(("me", "friend", "other"), 2)]
    rows += [row.replace(",", "-9,", 1) + ",9" for row in rows]  # the same with another smoothness
    write(desk, "\n".join(["name,face,shape,smooth", *rows]), "ray.csv")
    count, out, whole = len(rows), tmp_path / "actors", tmp_path / "here"
    codes = str(tmp_path / "a")
    assert cli(desk, "batch", "ray.csv", "-o", whole, tiny=False, BARBERSHOP_CACHE=codes).returncode == 0
    words = ["batch", "ray.csv", "-o", str(out), "--ray", "local", "--workers", "2", "--json"]
    more = environment(desk, BARBERSHOP_CACHE=str(tmp_path / "b"))
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-m", "barbershop_core", *words], cwd=desk, env=more, **pipes)

    def finished() -> int:
        assert process.poll() is None, process.communicate()[1]
        return len(batch.read_manifest(out))

    until(lambda: finished() >= 1, 600)
    killed = actors_of(process.pid)[0]
    os.kill(killed, signal.SIGKILL)
    until(lambda: finished() >= 4 and killed not in actors_of(process.pid), 600)
    family = descendants(process.pid)
    process.kill()
    process.communicate()
    before = batch.read_manifest(out)
    assert 4 <= len(before) < count and not any("error" in entry for entry in before)
    until(lambda: all(map(gone, family)))  # the cluster of one machine ends with the command

    done = cli(desk, *words, tiny=False, BARBERSHOP_CACHE=str(tmp_path / "b"))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["done"], told["failed"], told["before"]) == (count, 0, len(before))
    assert contents(out) == contents(whole) and len(contents(whole)) == 2 * count
    names = [json.loads(line)["name"] for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert Counter(names) == Counter(row.partition(",")[0] for row in rows)


def actors_of(pid: int) -> list[int]:
    """The actors of a process's own cluster that have begun."""
    return [child for child in descendants(pid) if title(child).startswith("ray::Worker")]
