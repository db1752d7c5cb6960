"""The disk cache of codes: keys, bounds, expiry, damage, two processes at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time

import pytest
import torch
from conftest import ROOT
from test_codes import a_code

from barbershop_core.inversion import inversion_presets as presets
from barbershop_core.inversion.cache import CodeCache, cache_key, default_folder

KEY = cache_key("digest", "pack", "FS", presets.FAST)


def test_round_trip_and_miss(tmp_path):
    cache = CodeCache(tmp_path)
    assert cache.get(KEY) is None
    assert cache.put(KEY, a_code())
    assert torch.equal(cache.get(KEY).feature, a_code().feature)
    assert cache.get(cache_key("other", "pack", "FS", presets.FAST)) is None


def test_key_depends_on_everything():
    keys = {
        cache_key(*arguments)
        for arguments in [
            ("a", "p", "FS", presets.FAST),
            ("b", "p", "FS", presets.FAST),
            ("a", "q", "FS", presets.FAST),
            ("a", "p", "W+", presets.FAST),
            ("a", "p", "FS", presets.PAPER),
        ]
    }
    assert len(keys) == 5
    assert cache_key("a", "p", "FS", presets.FAST) in keys


def test_key_cannot_leave_the_folder(tmp_path):
    with pytest.raises(ValueError):
        CodeCache(tmp_path).get("../etc/passwd")


def test_damaged_entry_is_a_miss_and_goes(tmp_path):
    cache = CodeCache(tmp_path)
    cache.put(KEY, a_code())
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(entry.read_bytes()[:500])
    assert cache.get(KEY) is None and not entry.exists()
    assert cache.put(KEY, a_code()) and cache.get(KEY) is not None


def test_expired_entry_is_a_miss_even_if_used_lately(tmp_path):
    cache = CodeCache(tmp_path, max_age=60)
    cache.put(KEY, a_code())
    (entry,) = tmp_path.iterdir()
    os.utime(entry, (time.time(), time.time() - 61))
    assert cache.get(KEY) is None and len(cache) == 0


def test_least_recently_used_goes_first(tmp_path):
    size = len(a_code().dumps())
    cache = CodeCache(tmp_path, max_bytes=2 * size + 10)
    keys = [cache_key(str(i), "p", "FS", None) for i in range(3)]
    for age, key in zip((30, 20), keys):
        cache.put(key, a_code())
        path = tmp_path / f"{key}.safetensors"
        os.utime(path, (time.time() - age, time.time() - age))
    assert cache.get(keys[0]) is not None  # used now, so the second is the oldest in use
    cache.put(keys[2], a_code())
    assert [cache.get(key) is not None for key in keys] == [True, False, True]


def test_left_over_partial_files_go_after_an_hour(tmp_path):
    old, fresh = tmp_path / "a.partial", tmp_path / "b.partial"
    for path in (old, fresh):
        path.write_bytes(b"x")
    os.utime(old, (0, time.time() - 4000))
    CodeCache(tmp_path).put(KEY, a_code())
    assert not old.exists() and fresh.exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_faces_are_private(tmp_path):
    cache = CodeCache(tmp_path / "new")
    cache.put(KEY, a_code())
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "new").iterdir())


def test_unwritable_folder_only_means_no_cache(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = CodeCache(tmp_path / "file" / "codes")
    assert cache.put(KEY, a_code()) is False and cache.get(KEY) is None


def test_folder_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("BARBERSHOP_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "codes"


WORKER = """
import sys, torch
from barbershop_core.inversion.cache import CodeCache, cache_key
from barbershop_core.inversion.codes import Code
folder, me, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
cache = CodeCache(folder, max_bytes=6 * 36000)
good = missed = 0
for i in range(rounds):
    key = cache_key(str(i % 8), "p", "FS", None)
    cache.put(key, Code("FS", torch.full((1, 4, 16), float(i % 8)), torch.full((1, 8, 32, 32), float(i % 8))))
    code = cache.get(cache_key(str((i * 5 + me) % 8), "p", "FS", None))
    if code is None:
        missed += 1
        continue
    value = float((i * 5 + me) % 8)
    assert (code.w_plus == value).all() and (code.feature == value).all(), "a wrong or torn entry"
    good += 1
print(good, missed)
"""


def test_two_processes_share_a_folder(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(tmp_path), str(me), "60"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for me in (1, 2)
    ]
    for worker in workers:
        out, err = worker.communicate(timeout=600)
        assert worker.returncode == 0, err
        assert int(out.split()[0]) > 20  # many reads met a whole entry, none a torn one
    assert not list(tmp_path.glob("*.partial"))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6 * 36000
