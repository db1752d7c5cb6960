"""One bar for a run of many stages, and the seconds left of it."""

from __future__ import annotations

import pytest

from barbershop_core.progress import Step, of_photo, run
from page import markup
from page.pace import Pace, Paces, Stage


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def steps(*embedded: bool):
    """The steps of a run on some photos, and how long each takes; a photo that is known is embedded at once."""
    count = len(embedded)
    for number, known in enumerate(embedded, 1):
        if known:
            yield 0.0, Step("embed F/S", 1, 1, photo=(number, count))
            continue
        for stage, planned, seconds in (("embed W+", 4, 0.5), ("embed F/S", 10, 1.0)):
            for index in range(planned):
                yield seconds, Step(stage, index + 1, planned, photo=(number, count))
    yield 6.0, Step("blend appearance", 1, 1)
    yield 0.0, Step("blend appearance", 1, 1, notice="said")


def follow(known, planned, slower: float = 1.0):
    """The progress after each step with the time then, and the pace."""
    clock = Clock()
    pace, told = Pace(known, clock), []
    for seconds, step in planned:
        clock.now += slower * seconds
        told.append((pace(step), clock.now))
    return told, pace


@pytest.fixture
def known():
    _, pace = follow([], steps(False, False))
    return pace.learnt([])


def test_what_is_learnt_is_what_was_timed(known):
    embedding = [Stage("embed W+", 4, 2.0), Stage("embed F/S", 10, 10.0)]
    assert known == [*embedding, *embedding, Stage("blend appearance", 1, 6.0)]


def test_one_bar_that_never_goes_back(known):
    for photos in ((False, False), (True, False), (False, True), (True, True)):
        told, _ = follow(known, steps(*photos))
        shares = [progress.share for progress, _ in told]
        assert shares == sorted(shares) and shares[-1] > 0.98
        assert all(progress.share <= progress.ahead <= 1 for progress, _ in told)
    told, _ = follow(known, steps(False, False))
    assert told[13][0].share == pytest.approx(12 / 30)  # the first of two photos is done


@pytest.mark.parametrize("slower", [1.0, 4.0])
def test_seconds_left_follow_the_present_load(known, slower):
    told, pace = follow(known, steps(False, False), slower)
    for progress, now in told[8:]:
        assert progress.left == pytest.approx(pace.elapsed - now, rel=0.3, abs=1.0)


def test_a_photo_that_is_known_takes_no_time(known):
    told, pace = follow(known, steps(True, False))
    assert told[0][0].left == pytest.approx(18, abs=0.5)
    assert pace.learnt(known) == known  # nothing was embedded, so its time stays known


def test_a_run_of_a_new_kind_has_no_share():
    told, _ = follow([], steps(False))
    assert all(progress.share is None and progress.left is None for progress, _ in told)
    assert "idle" in markup.bar(Step("embed W+", 1, 4), told[0][0])


def test_words_of_the_bar(known):
    told, _ = follow(known, steps(False, False))
    words = markup.bar(Step("embed F/S", 5, 10, photo=(2, 3)), told[4][0])
    assert "Photo 2 of 3" in words and "s left" in words
    assert "Photo" not in markup.bar(Step("embed F/S", 5, 10, photo=(1, 1)), told[4][0])


def test_times_are_kept_but_not_of_the_slow_first_run_of_a_process(tmp_path, known):
    file = tmp_path / "cache" / "times.json"
    paces = Paces(lambda: file)
    _, slow = follow([], steps(False, False), slower=5.0)
    _, right = follow(known, steps(False, False))
    assert paces.seconds("hair") is None
    paces.note("hair", slow)
    assert paces.seconds("hair") == pytest.approx(150)  # better than nothing
    again = Paces(lambda: file)
    again.note("hair", slow)
    again.note("hair", right)
    assert again.seconds("hair") == pytest.approx(90)
    for damaged in (
        "",
        "[1]",
        '{"hair": 3}',
        '{"hair": {"seconds": "x"}}',
        '{"hair": {"stages": [[1]]}}',
        '{"hair": {"stages": 3}}',
    ):
        file.write_text(damaged)
        assert again.of("hair")(Step("parse", 1, 1)).share is None
        assert again.seconds("hair") is None


def test_steps_know_their_photo():
    def embed():
        yield Step("embed W", 1, 2)
        yield Step("embed W", 2, 2)
        return "code"

    seen = []
    assert run(of_photo(embed(), 2, 3), seen.append) == "code"
    assert [(step.index, step.photo) for step in seen] == [(1, (2, 3)), (2, (2, 3))]
