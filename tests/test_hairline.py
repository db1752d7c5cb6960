"""Roots along the forehead: a border that was cut straight becomes one of single hairs."""

import numpy as np
import pytest
from drawn_head import SIZE, portrait

from barbershop_core.compositing.hairline import with_roots

EDGE = 90
"""Row down to which hair reaches; the eyes are in row 124."""


@pytest.fixture(scope="module")
def drawn():
    return portrait((0.3, 0.2, 0.1))


@pytest.fixture(scope="module")
def cut():
    return np.float32(np.arange(SIZE)[:, None] < EDGE) * np.ones((SIZE, SIZE), np.float32)


@pytest.fixture(scope="module")
def rooted(drawn, cut):
    return with_roots(cut, np.ones_like(cut), drawn)


def test_the_border_is_frayed_and_stays_where_it_was(cut, rooted):
    columns = np.s_[SIZE // 2 - 40 : SIZE // 2 + 40]
    assert rooted[EDGE, columns].std() > 0.05  # of a straight one: 0
    assert abs(rooted[:, columns].sum(0).mean() - EDGE) < 1
    assert rooted.min() >= 0 and rooted.max() <= 1


def test_roots_grow_away_from_the_face(cut, rooted):
    """Over the middle of the forehead they are longer upwards than they are wide."""
    added = (rooted - cut)[EDGE - 4 : EDGE + 4, SIZE // 2 - 40 : SIZE // 2 + 40]
    along = np.corrcoef(added[:3].ravel(), added[1:4].ravel())[0, 1]
    across = np.corrcoef(added[:, :-2].ravel(), added[:, 2:].ravel())[0, 1]
    assert along > across + 0.2


def test_all_but_the_border_on_the_forehead_stays(drawn, cut, rooted):
    assert np.array_equal(rooted[: EDGE - 20], cut[: EDGE - 20])
    assert np.array_equal(rooted[EDGE + 20 :], cut[EDGE + 20 :])
    cheeks = np.float32(np.arange(SIZE)[:, None] > 150) * np.ones_like(cut)
    assert np.array_equal(with_roots(cheeks, np.ones_like(cut), drawn), cheeks)
    assert np.array_equal(with_roots(cut, np.zeros_like(cut), drawn), cut)


def test_the_same_roots_are_drawn_again(drawn, cut, rooted):
    assert np.array_equal(with_roots(cut, np.ones_like(cut), drawn), rooted)
    assert not np.array_equal(with_roots(cut, np.ones_like(cut), drawn, seed=9), rooted)


def test_without_hair_there_are_none(drawn):
    bald = np.zeros((SIZE, SIZE), np.float32)
    assert not with_roots(bald, np.ones_like(bald), drawn).any()
