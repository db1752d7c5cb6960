"""Files that are there whole or not at all."""

import multiprocessing
import os
import stat

import pytest

from barbershop_core import atomic


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "a.txt"
    for data in (b"one", b"another, longer"):
        atomic.write(path, data, durable=True)
        assert path.read_bytes() == data
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_raises_leaves_the_file_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), atomic.replacing(path) as partial:
        partial.write_bytes(b"half")
        _ = 1 / 0
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["a.txt"]


def _killed(path):
    with atomic.replacing(path) as partial:
        partial.write_bytes(b"half")
        os.kill(os.getpid(), 9)


def test_a_killed_writer_leaves_the_file_before_and_a_partial_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(path,))
    process.start()
    process.join()
    assert path.read_bytes() == b"before"
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [atomic.PARTIAL, ".txt"]


@pytest.mark.parametrize("private, mode", [(True, 0o600), (False, 0o644)])
def test_who_may_read(tmp_path, private, mode):
    before = os.umask(0o022)
    try:
        atomic.write(tmp_path / "a", b"", private=private)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_name_as_long_as_a_name_may_be(tmp_path):
    path = tmp_path / ("a" * 255)
    atomic.write(path, b"x")
    assert path.read_bytes() == b"x"


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic.write(tmp_path / "none" / "a", b"")
