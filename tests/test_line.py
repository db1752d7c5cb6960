"""The line of those who wait: order, what is told, who is refused, and that nobody blocks it by leaving."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import pytest
from patience import within

from page import markup
from page.line import Busy, Line, Standing


def test_one_at_a_time_in_order():
    line, order, inside = Line(), [], []

    def visitor(number: int, joined: threading.Event) -> None:
        with line.join(1.0) as place:
            joined.set()
            list(place.waiting(0.05))
            inside.append(number)
            assert len(inside) == 1
            time.sleep(0.02)
            order.append(inside.pop())

    threads = []
    with line.join(1.0) as first:
        list(first.waiting())
        for number in range(8):
            joined = threading.Event()
            threads.append(threading.Thread(target=visitor, args=(number, joined)))
            threads[-1].start()
            assert joined.wait(30)
        assert order == []
    within(60, lambda: [thread.join() for thread in threads])
    assert order == list(range(8))


def test_who_waits_is_told_how_many_come_first_and_how_long_they_take():
    line = Line(longest=1e4)
    with line.join(120.0) as first, line.join(300.0), line.join(300.0) as third:
        list(first.waiting())
        waiting = third.waiting(0.01)
        told = next(waiting)
        assert told.ahead == 2 and told.seconds == pytest.approx(420, abs=20)
        first.needs(50.0)  # it goes faster than was foreseen
        assert next(waiting).seconds == pytest.approx(350, abs=20)
    with line.join(0.0) as late, line.join(None) as unknown, line.join(5.0) as last:
        list(late.waiting())
        assert next(unknown.waiting()) == Standing(1, None)  # late: nobody knows how long it will still take
        late.needs(100.0)
        assert next(unknown.waiting()).seconds == pytest.approx(100, abs=20)
        assert next(last.waiting()) == Standing(2, None)
    assert "Waiting: 2 ahead<" in markup.waiting(Standing(2, None))
    assert "2 ahead, about 40 s" in markup.waiting(Standing(2, 42.0))
    assert "1 ahead, about 7 s" in markup.waiting(Standing(1, 7.2))
    assert "about 3 minutes" in markup.waiting(Standing(9, 190.0))


def test_a_place_is_free_once_its_run_is_closed():
    line = Line()

    def run():
        with line.join(1.0) as place:
            yield from place.waiting(0.01)
            yield "turn"

    first, second, third, fourth = run(), run(), run(), run()
    assert next(first) == "turn"
    assert next(second).ahead == 1 and next(third).ahead == 2
    second.close()  # a visitor who left while waiting ...
    assert next(third).ahead == 1
    first.close()  # ... and one in mid-run
    assert within(30, lambda: next(third)) == "turn"
    assert next(fourth).ahead == 1
    third.close()
    fourth.close()
    with line.join(1.0) as last:
        assert list(last.waiting()) == []


def test_the_last_waits_a_bounded_time():
    line = Line(longest=100.0)
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(line.join(25.0))
        with pytest.raises(Busy, match="4 others are waiting already.*about 1 minute") as refused:
            stack.enter_context(line.join(25.0))
        assert 0 < refused.value.seconds <= 60
    slow = Line(longest=100.0)
    with slow.join(4000.0), slow.join(10.0):  # one may always wait, however slow the machine is
        with pytest.raises(Busy, match="about 66 minutes"):
            slow.join(10.0).__enter__()
    few = Line(most=2)
    with few.join(0.1), few.join(0.1), few.join(0.1), pytest.raises(Busy):
        few.join(0.1).__enter__()
