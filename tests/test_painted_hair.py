"""Hair within a painted outline, on flat pictures."""

import numpy as np

from barbershop_core.barbershop.painted_hair import within

SIZE = 128


def layer():
    """Striped hair in the upper half, with colours only there."""
    alpha = np.zeros((SIZE, SIZE), np.float32)
    alpha[: SIZE // 2] = 1
    stripes = np.where(np.arange(SIZE) % 8 < 4, 0.3, 0.6).astype(np.float32)
    return alpha[..., None] * np.broadcast_to(stripes[None, :, None], (SIZE, SIZE, 3)), alpha


def test_an_unchanged_mask_changes_nothing():
    colours, alpha = layer()
    found, soft, repainted = within(colours, alpha, alpha[::2, ::2] > 0.5)
    assert np.array_equal(found, colours) and np.array_equal(soft, alpha) and repainted.max() == 0


def test_hair_ends_where_it_is_painted_away():
    colours, alpha = layer()
    wanted = alpha > 0.5
    wanted[:, 64:] = False
    _, soft, repainted = within(colours, alpha, wanted)
    assert soft[:48, 80:].max() < 0.01 and soft[:48, :40].min() == 1
    assert repainted[:40, :40].max() == 0


def test_hair_goes_on_in_its_own_texture_where_more_is_painted():
    colours, alpha = layer()
    wanted = alpha > 0.5
    wanted[:96] = True
    found, soft, _ = within(colours, alpha, wanted)
    assert soft[70:90].min() > 0.95 and soft[110:].max() < 0.01
    assert np.allclose(found[80].mean(), colours[20].mean(), atol=0.02)
    assert found[80].std() > 0.7 * colours[20].std()  # stripes, not a flat patch


def test_without_hair_nothing_can_be_painted():
    nothing = np.zeros((SIZE, SIZE), np.float32)
    _, soft, _ = within(np.zeros((SIZE, SIZE, 3), np.float32), nothing, np.ones((32, 32), bool))
    assert soft.max() == 0
