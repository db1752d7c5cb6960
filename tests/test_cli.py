"""The command line: processes on a small pack, with files in a folder."""

import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import cli, environment, picture
from PIL import Image

from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.regions import COLOURS, REGIONS
from barbershop_core.inversion.codes import load as load_code

COMMANDS = tuple("hair face repeat text directions mapper pose rig invert parse batch download doctor evaluate".split())
KINDS = {"directions": ["precompute"], "mapper": ["train"], "rig": ["train"], "evaluate": ["hair"]}


def test_help_answers_without_the_heavy_libraries(desk):
    code = (
        "import sys; from barbershop_core.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'numpy', 'mediapipe', 'PIL'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(desk), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f"\n    {name}" in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    from barbershop_core.__main__ import parser

    with pytest.raises(SystemExit) as end:
        parser().parse_args([command, *KINDS.get(command, []), "--help"])
    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert all(option in shown for option in ("--pack", "--device", "--seed"))


def test_hair_then_the_same_again_from_its_recipe(desk):
    done = cli(
        desk,
        "hair",
        "me.png",
        "--shape",
        "friend.png",
        "--structure",
        "other.png",
        "--region",
        "nose=other.png",
        "--smooth",
        "3",
        "--seed",
        "7",
        "-o",
        "new.png",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["files"] == {"image": "new.png", "photo": "new-photo.png"}
    assert -1 <= told["scores"]["identity"] <= 1
    assert any("landmark" in notice for notice in told["notices"])
    assert "embed" in done.stderr and "\r" not in done.stderr  # sparse lines, no terminal here
    assert Image.open(desk / "new.png").size == (64, 64)
    assert Image.open(desk / "new-photo.png").size == (96, 128)
    recipe = read_recipe(desk / "new-photo.png")
    assert (recipe["options"]["seed"], recipe["options"]["smooth"]) == (7, 3)
    assert set(recipe["photos"]) == {"face", "hair_shape", "hair_structure", "region nose"}

    again = cli(
        desk,
        "hair",
        "me.png",
        "--shape",
        "friend.png",
        "--structure",
        "other.png",
        "--region",
        "nose=other.png",
        "--recipe",
        "new.png",
        "-o",
        "again.png",
        "--json",
    )
    assert again.returncode == 0, again.stderr
    repeated = json.loads(again.stdout)
    assert repeated["recipe"] == recipe
    assert (np.asarray(Image.open(desk / "again.png")) == np.asarray(Image.open(desk / "new.png"))).all()
    embedded = [line for line in again.stderr.splitlines() if " s  embed" in line]
    assert embedded and all(line.endswith(" 1/1") for line in embedded)  # in no step: codes come from the cache

    other = cli(
        desk,
        "hair",
        "other.png",
        "--shape",
        "friend.png",
        "--region",
        "nose=other.png",
        "--recipe",
        "new.png",
        "-o",
        "third.jpg",
        "--no-paste",
    )
    assert other.returncode == 0, other.stderr
    assert "Person photo: not the one of the recipe" in other.stderr
    assert not (desk / "third-photo.jpg").exists()
    with Image.open(desk / "third.jpg") as picture:
        assert picture.format == "JPEG"
    fourth = cli(desk, "repeat", "third.jpg", "other.png", "friend.png", "-o", "fourth.webp")
    assert fourth.returncode == 0, fourth.stderr
    assert read_recipe(desk / "fourth-photo.webp") == read_recipe(desk / "third.jpg")


def test_parse_repaint_and_use_the_mask(desk):
    done = cli(desk, "parse", "me.png", "-o", "mask.png", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    labels = np.asarray(Image.open(desk / "mask.png"))
    assert labels.shape == (64, 64) and labels.max() < len(REGIONS)
    assert (np.asarray(Image.open(desk / "mask-colours.png")) == COLOURS[labels]).all()
    assert sum(told["shares"].values()) == pytest.approx(1, abs=0.01)

    painted = COLOURS[labels].copy()
    painted[:40] = COLOURS[REGIONS.index("hair")]
    painted[40:] = COLOURS[REGIONS.index("skin")]
    Image.fromarray(painted).save(desk / "painted.png")
    done = cli(desk, "hair", "me.png", "--mask", "painted.png", "-o", "repainted.png", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    recipe = json.loads(done.stdout)["recipe"]
    assert recipe["options"]["mask"]
    again = cli(desk, "hair", "me.png", "--recipe", "repainted.png", "-o", "repainted2.png", "--json")
    assert again.returncode == 0, again.stderr  # the painted mask travels in the recipe
    assert json.loads(again.stdout)["recipe"]["options"]["mask"] == recipe["options"]["mask"]


def test_face_into_another_photo(desk):
    done = cli(desk, "face", "me.png", "friend.png")
    assert done.returncode == 0, done.stderr
    assert Image.open(desk / "me-face-photo.png").size == (96, 128)
    before, after = (np.asarray(Image.open(desk / n)) for n in ("friend.png", "me-face-photo.png"))
    assert (before[:10] == after[:10]).all()  # far outside of the crop: the receiving photo, bit for bit


def test_invert_writes_code_and_reconstruction(desk):
    picture(desk / "unseen.png", 11)  # no other test has left its code in the cache
    done = cli(desk, "invert", "unseen.png", "--space", "fs", "-o", "code.safetensors", "--json")
    assert done.returncode == 0, done.stderr
    code = load_code(desk / "code.safetensors")
    assert code.space == "FS" and code.feature.shape[2:] == (32, 32)
    assert Image.open(desk / "code.png").size == (64, 64)
    assert json.loads(done.stdout)["losses"]


@pytest.fixture(scope="module")
def rigged(tmp_path_factory, desk) -> Path:
    """The manifest of a small pack with a rig."""
    from small_pack import write_small_pack
    from small_rigged import add_rig

    return add_rig(write_small_pack(tmp_path_factory.mktemp("rigged")))


@pytest.mark.parametrize("sweep", ["yaw", "light"])
def test_a_sweep_keeps_what_is_asked_for_beside_it(rigged, desk, tmp_path, monkeypatch, sweep):
    from tiny_presets import TINY_PIE

    from barbershop_core.__main__ import parser
    from barbershop_core.commands.console import Console
    from barbershop_core.commands.rig import pose
    from barbershop_core.pie import pie_presets, session

    seen = []

    def image(self, **asked):
        seen.append(asked)
        return np.full((64, 64, 3), len(seen), np.uint8)

    monkeypatch.setenv("BARBERSHOP_CACHE", str(tmp_path))
    monkeypatch.setitem(pie_presets.PRESETS, "fast", TINY_PIE)
    monkeypatch.setattr(session.RigSession, "image", image)
    wanted = "--pitch 5 --expression smile --strength 0.5 --quiet --frames 3 --device cpu --light warmth=1"
    files = ["pose", desk / "me.png", "--pack", rigged, "-o", tmp_path / "sweep.gif", "--sweep", sweep]
    pose(parser().parse_args([*map(str, files), *wanted.split()]), Console(io.StringIO()))
    assert len(seen) == 3 and (tmp_path / "sweep.gif").is_file()
    for asked in seen:
        assert (asked["pitch"], asked["expression"], asked["strength"]) == (5, "smile", 0.5)
    if sweep == "yaw":
        assert all(asked["light"] == {"warmth": 1} for asked in seen)


def test_a_sweep_copies_from_no_photo(rigged, desk):
    done = cli(desk, "pose", "me.png", "--pack", rigged, "--sweep", "yaw", "--like", "friend.png")
    assert done.returncode == 2 and "--like" in done.stderr


def test_doctor_and_download(desk):
    done = cli(desk, "doctor", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["ready"] and data["pack"]["name"] == "small" and all(n["licence"] for n in data["networks"])
    done = cli(desk, "download")
    assert done.returncode == 0, done.stderr
    assert "Ready." in done.stdout


WRONG = [
    (("hair", "me.png"), "nothing to change"),
    (("hair", "me.png", "--shape", "nobody.png"), "nobody.png"),
    (("hair", "me.png", "--structure", "nobody.png"), "nobody.png"),
    (("hair", "me.png", "--region", "nose"), "REGION=PHOTO"),
    (("hair", "me.png", "--region", "tail=friend.png"), "tail"),
    (("hair", "me.png", "--shape", "friend.png", "--preset", "best"), "best"),
    (("hair", "me.png", "--shape", "friend.png", "--smooth", "99"), "99"),
    (("hair", "me.png", "--shape", "friend.png", "-o", "no/where.png"), "no folder"),
    (("hair", "me.png", "--shape", "friend.png", "-o", "new.xyz"), ".png or .jpg"),
    (("pose", "me.png", "--sweep", "yaw", "-o", "new.png"), ".gif or .mp4"),
    (("parse", "me.png", "-o", "mask.jpg"), ".png"),
    (("invert", "me.png", "-o", "code.png"), ".safetensors"),
    (("hair", "me.png", "--shape", "friend.png", "--recipe", "me.png"), "recipe"),
    (("hair", "me.png", "--shape", "friend.png", "--recipe", "none.png"), "none.png"),
    (("hair", "me.png", "--mask", "friend.png"), "colours"),
    (("hair", "me.png", "--shape", "friend.png", "--shape-index", "3"), "face"),
    (("invert", "me.png", "--space", "Q"), "Q"),
    (("parse", "pack/pack.toml"), ""),
    (("parse", "me.png", "--device", "tpu"), "tpu"),
    (("evaluate", "reconstruction", "nowhere"), "nowhere"),
    (("evaluate", "hair", "--pairs", "0"), "pairs"),
    (("dance",), "dance"),
]


def answers(desk: Path, requests, **more) -> list[tuple[int, str]]:
    """Exit code and stderr of many commands."""
    done = (cli(desk, *request, **more) for request in requests)
    return [(process.returncode, process.stderr) for process in done]


def is_one_sentence(said: str) -> bool:
    """One paragraph, ended, without a traceback (a remedy may follow what happened)."""
    lines = said.strip().splitlines()
    return len(lines) == 1 and lines[0].endswith(".") and "Traceback" not in said and "Error:" not in said


def test_wrong_requests_get_one_sentence_and_exit_code_2(desk):
    for (request, word), (code, said) in zip(WRONG, answers(desk, [r for r, _ in WRONG])):
        last = said.strip().splitlines()[-1] if said.strip() else ""
        assert code == 2, (request, code, said)
        assert is_one_sentence(last) and word in last, (request, said)
        assert "Traceback" not in said


def test_a_pack_that_is_not_there(desk):
    done = cli(desk, "parse", "me.png", "--pack", "nothing")
    assert done.returncode == 1
    assert is_one_sentence(done.stderr) and "nothing" in done.stderr


ORDINARY = ("two_people.jpg", "portrait_huge_3476x5214.jpg", "formats/alpha.png", "noface_cat.png")


def test_photos_get_a_result_or_a_sentence(desk, photos, shared_data):
    """Hostile ones and others; all others are in test_faces.py."""
    files = sorted(p for p in (photos / "hostile").iterdir() if p.is_file())
    assert len(files) >= 10
    found = {"BARBERSHOP_LANDMARKER": str(shared_data / "face_landmarker_v2_with_blendshapes.task")}
    files += [photos / name for name in ORDINARY]
    results = answers(desk, [("parse", f, "-o", desk / "h.png", "--quiet") for f in files], **found)
    for file, (code, said) in zip(files, results):
        assert code in (0, 2), (file.name, code, said)
        assert said == "" if code == 0 else is_one_sentence(said), (file.name, said)
    codes = [code for code, _ in results]
    assert codes[-len(ORDINARY) :] == [0, 0, 0, 2]
    assert sum(code == 2 for code in codes[: -len(ORDINARY)]) >= 8, results


def test_interrupt_says_stopped(desk):
    picture(desk / "new.png", 12)  # known photos would not be embedded again
    command = "hair new.png --shape friend.png --preset released"
    process = subprocess.Popen(
        [sys.executable, "-m", "barbershop_core", *command.split()],
        cwd=desk,
        env=environment(desk),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # shells ignore it in the background
    )
    try:
        seen = [process.stderr.readline()]
        while "embed w+" not in seen[-1].lower():
            seen.append(process.stderr.readline())
            assert seen[-1], seen
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert rest.strip().splitlines()[-1] == "Stopped." and "Traceback" not in rest
    assert not (desk / "new-hair.png").exists()
