"""Tones: colours move to other hair's, strands stay; grain and sharpness are matched."""

import cv2
import numpy as np
import pytest

from barbershop_core.compositing.tones import lab_statistics, match_grain, recolour, split

SIZE = 192
DISC = (np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) < 70).astype(np.float32)


def hair(colour, contrast=0.25, seed=0, width=1.2):
    """Strands of a colour under light that falls off from left to right."""
    random = np.random.default_rng(seed)
    strands = cv2.GaussianBlur(random.normal(0, 1, (1, SIZE)), (0, 0), width) * np.ones((SIZE, 1))
    light = (1 + contrast * strands / strands.std()) * np.linspace(1.3, 0.7, SIZE)
    return np.clip(np.array(colour) * light[..., None], 0, 1).astype(np.float32)


BLACK, BLOND, RED = (0.1, 0.08, 0.07), (0.75, 0.62, 0.42), (0.5, 0.22, 0.1)


def test_split_adds_up():
    image = hair(RED)
    low, high = split(image, 4)
    assert np.allclose(low + high, image, atol=1e-6)
    assert np.abs(cv2.GaussianBlur(high, (0, 0), 8)).mean() < 0.01


@pytest.mark.parametrize("own, other", [(BLACK, BLOND), (BLOND, BLACK), (RED, BLOND), (BLOND, RED)])
def test_recoloured_hair_has_the_other_colour_and_its_own_strands(own, other):
    image, towards = hair(own), lab_statistics(hair(other, seed=5), DISC)
    result = recolour(image, DISC, towards)
    assert np.linalg.norm(lab_statistics(result, DISC).mean - towards.mean) < 2
    assert np.array_equal(result[DISC == 0], image[DISC == 0])
    at = cv2.erode(DISC, np.ones((21, 21))) > 0
    before, after = (split(cv2.cvtColor(x, cv2.COLOR_RGB2LAB)[..., 0], 3)[1][at] for x in (image, result))
    assert np.corrcoef(before, after)[0, 1] > 0.9
    assert after.std() > 0.2 * before.std()


def test_hair_towards_its_own_colours_stays():
    image = hair(RED)
    result = recolour(image, DISC, lab_statistics(image, DISC))
    assert np.abs(result - image).max() < 0.02


def hue(image, at):
    a, b = cv2.cvtColor(np.float32(image), cv2.COLOR_RGB2LAB)[at][:, 1:].T
    return np.degrees(np.arctan2(b, a))


def test_shadows_take_the_other_hair_s_tint_whatever_their_own_was():
    """Brown hair with bluish shadows, as in many paintings, becomes blond all over, as under one light blond is."""
    own, depth = hair((0.3, 0.2, 0.14), contrast=0.4), np.linspace(0, 1, SIZE)[None, :, None]
    own = own * (1 - depth * np.float32([0.75, 0.6, 0]))
    blond = hair(BLOND, contrast=0.4, seed=5)
    result = recolour(own.astype(np.float32), DISC, lab_statistics(blond, DISC))
    inner = cv2.erode(DISC, np.ones((21, 21))) > 0
    dark = inner & (np.arange(SIZE)[None] > 110)
    assert np.abs(hue(own, dark) - hue(blond, dark).mean()).mean() > 40
    assert np.abs(hue(result, dark) - hue(blond, dark).mean()).mean() < 2


def test_colour_fades_towards_black():
    """No shadow gets a colour that light as weak could not have."""
    own = hair((0.5, 0.4, 0.3), contrast=0.4) * np.linspace(1, 0, SIZE, dtype=np.float32)[None, :, None]
    result = recolour(own, np.ones_like(DISC), lab_statistics(hair((0.45, 0.1, 0.1), seed=5), DISC))
    light, *tint = cv2.split(cv2.cvtColor(result, cv2.COLOR_RGB2LAB))
    chroma = np.hypot(*tint)
    assert chroma[light < np.quantile(light, 0.05)].mean() < 0.65 * chroma.mean()


def test_an_empty_mask_has_no_colours():
    with pytest.raises(ValueError, match="empty"):
        lab_statistics(hair(RED), np.zeros((SIZE, SIZE), np.float32))


def finest(image):
    return split(image, 0.8)[1].std()


def test_clean_picture_gets_the_photo_s_grain():
    clean = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    photo = clean + np.random.default_rng(0).normal(0, 0.03, clean.shape).astype(np.float32)
    everywhere = np.ones((SIZE, SIZE), np.float32)
    result = match_grain(clean, DISC, photo, everywhere, seed=1)
    assert 0.7 < finest(result[60:130, 60:130]) / finest(photo) < 1.3
    assert np.array_equal(result[DISC == 0], clean[DISC == 0])
    assert np.array_equal(result, match_grain(clean, DISC, photo, everywhere, seed=1))


def test_sharp_picture_is_softened_like_a_soft_photo():
    sharp = hair(RED, width=0.5)
    soft = cv2.GaussianBlur(sharp, (0, 0), 1.5)
    everywhere = np.ones((SIZE, SIZE), np.float32)
    result = match_grain(sharp, everywhere, soft, everywhere)
    assert finest(result) < 0.85 * finest(sharp)
    assert np.abs(match_grain(sharp, everywhere, sharp, everywhere) - sharp).max() < 0.02
