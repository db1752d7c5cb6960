"""Work in a thread beside other work, and an edit that makes use of it."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
import torch
from drawn_head import portrait
from patience import until, within

from barbershop_core.barbershop import photo_transfer
from barbershop_core.barbershop.structure import Assignment
from barbershop_core.barbershop.transfer_presets import FAST
from barbershop_core.progress import Step, run
from barbershop_core.stages import StageTimer
from barbershop_core.workers.background import in_background
from barbershop_core.workers.threads import a_core_left, limited


def test_the_result_or_the_error_of_work_beside():
    with in_background(divmod, 7, 3) as seven, in_background(divmod, 1, 0) as zero:
        assert seven.result(60) == (2, 1)
        with pytest.raises(ZeroDivisionError):
            zero.result(60)


def test_a_block_that_is_left_early_does_not_wait():
    go_on, ended = threading.Event(), threading.Event()

    def work():
        go_on.wait(60)
        ended.set()

    def left():
        with in_background(work):
            raise KeyboardInterrupt

    assert isinstance(within(30, left), KeyboardInterrupt) and not ended.is_set()
    go_on.set()
    assert ended.wait(60)


def test_steps_leave_a_core_to_others():
    seen = []

    def steps():
        try:
            for number in range(2):
                seen.append(torch.get_num_threads())
                yield Step("work", number + 1, 2)
            return torch.get_num_threads()
        finally:
            seen.append("closed")

    with limited(3):
        assert run(a_core_left(steps()), lambda _: seen.append(torch.get_num_threads())) == 2
        assert seen == [2, 3, 2, 3, "closed"] and torch.get_num_threads() == 3
        seen.clear()
        begun = a_core_left(steps())
        next(begun)
        begun.close()
        assert seen == [2, "closed"] and torch.get_num_threads() == 3
    with limited(1):
        assert run(a_core_left(steps())) == 1


def test_hair_is_carried_while_codes_are_found(monkeypatch):
    """Neither of the two ends before the other has begun."""
    carrying, found = threading.Event(), threading.Event()
    carry = photo_transfer.carry_hair

    def carried(*args):
        carrying.set()
        assert found.wait(60)
        return carry(*args)

    def codes(*_):
        yield Step("embed F/S", 1, 2)
        until(carrying.is_set, 60)
        found.set()
        return "codes"

    def finish(pack, request, person, made, changed, code, notices, timer):
        yield Step("paste back", 1, 1)
        return made, changed, code

    for name, stand_in in {"carry_hair": carried, "_codes": codes, "_finish": finish}.items():
        monkeypatch.setattr(photo_transfer, name, stand_in)
    monkeypatch.setattr(photo_transfer, "_code", lambda codes, hair, opened: codes)
    person, other = portrait((0.32, 0.2, 0.12)), portrait((0.75, 0.6, 0.35), seed=5)
    opened = photo_transfer.Opened({}, {0: person, 1: other}, Assignment({"hair": 1}, {"hair": 1}))
    small = SimpleNamespace(generator=SimpleNamespace(size=64))
    request, timer, stages = SimpleNamespace(options={}), StageTimer(), []
    steps = photo_transfer.transfer_photographs(small, None, request, opened, FAST, [], timer)
    made, changed, code = run(steps, lambda step: stages.append(step.stage))
    assert stages == ["embed F/S", "blend structure", "blend appearance", "paste back"]
    assert code == "codes" and (made.image == carry(person, other, other).image).all()
    assert changed.max() == 1 and set(timer.seconds) == {"total", "embed F/S", "blend appearance"}
