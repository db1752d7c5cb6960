"""The commands text, mapper, directions and repeat as processes on a small pack."""

from __future__ import annotations

import json

import numpy as np
import pytest
from command_line import cli
from PIL import Image

from barbershop_core.editing.recipe import read as read_recipe


@pytest.mark.slow
def test_words_on_a_transfer_and_the_whole_chain_again(desk):
    done = cli(
        desk,
        "text",
        "me.png",
        "curly hair",
        "--neutral",
        "hair",
        "--alpha",
        "8",
        "--beta",
        "0",
        "--edit",
        "glasses:face:-5:0.1",
        "-o",
        "words.png",
        "--grid",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["files"]) == {"image", "photo", "grid"}
    assert set(told["scores"]["channels"]) == {"curly hair", "glasses"}
    assert Image.open(desk / "words-grid.png").size == (5 * 64, 3 * 64)
    assert read_recipe(desk / "words.png")["options"]["edits"][1] == {
        "target": "glasses",
        "neutral": "face",
        "alpha": -5.0,
        "beta": 0.1,
    }
    again = cli(desk, "repeat", "words-photo.png", "other.png", "me.png", "-o", "again.png", "--json")
    assert again.returncode == 0, again.stderr
    assert (np.asarray(Image.open(desk / "again.png")) == np.asarray(Image.open(desk / "words.png"))).all()
    assert json.loads(again.stdout)["recipe"] == told["recipe"]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("me.png",), "Nothing was said"),
        (("me.png", " ?! "), "prompt is empty"),
        (("me.png", "x", "--alpha", "99"), "-10 to 10"),
        (("me.png", "unicorn", "--method", "mapper"), "Choose one of: curly hair"),
        (("me.png", "x", "--edit", "a:b:much"), "is no direction"),
        (("missing.png", "x"), "missing.png"),
    ],
)
def test_mistakes(desk, arguments, sentence):
    done = cli(desk, "text", *arguments)
    assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_mapper_of_ones_own_is_trained_listed_and_used(desk, tmp_path):
    own = {"BARBERSHOP_MAPPERS": str(tmp_path)}
    done = cli(desk, "mapper", "train", "--prompt", "Green Mohawk", "--steps", "2", "--json", **own)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["held_out"]) >= {"clip", "identity", "minutes"}
    listed = cli(desk, "mapper", "list", **own)
    assert listed.stdout.split("\n")[:2] == ["curly hair", "green mohawk"]
    wanted = ("--method", "mapper", "-o", "m.png", "--no-paste")
    used = cli(desk, "text", "me.png", "green mohawk", *wanted, **own)
    assert used.returncode == 0, used.stderr


def test_a_table_is_written_beside_the_manifest(desk):
    before = (desk / "pack" / "directions.safetensors").read_bytes()
    done = cli(desk, "directions", "precompute", "--images", "2", "-o", "table.safetensors")
    assert done.returncode == 0, done.stderr
    assert "channels in" in done.stdout and (desk / "table.safetensors").is_file()
    assert (desk / "pack" / "directions.safetensors").read_bytes() == before
