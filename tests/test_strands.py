"""Finer strands: drawn only where hair lacks detail, along the strands that are there."""

import cv2
import numpy as np

from barbershop_core.compositing.strands import DRAWN, USUAL, with_finer_strands, with_strands

SIZE = 256
MASK = (np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) < 100).astype(np.float32)


def hair(degrees, sigma, seed=0):
    """Strands in a direction, ``sigma`` px fine."""
    noise = np.random.default_rng(seed).normal(size=(3 * SIZE, 3 * SIZE))
    strands = cv2.GaussianBlur(noise, (0, 0), sigmaX=30, sigmaY=0.5)
    matrix = cv2.getRotationMatrix2D((1.5 * SIZE, 1.5 * SIZE), degrees, 1)
    strands = cv2.warpAffine(strands, matrix, (3 * SIZE, 3 * SIZE))[SIZE : 2 * SIZE, SIZE : 2 * SIZE]
    coarse = cv2.GaussianBlur(strands, (0, 0), 4)
    strands = strands / strands.std() + 2 * coarse / coarse.std()
    image = 0.4 + 0.05 * cv2.GaussianBlur(strands, (0, 0), sigma)
    return np.repeat(image[..., None], 3, 2).astype(np.float32)


def fine(image):
    return image[..., 0] - cv2.GaussianBlur(image[..., 0], (0, 0), 1.5)


def test_a_soft_picture_gets_strands_along_its_own():
    soft, sharp = hair(30, 4), hair(-60, 0.3, seed=1)
    result = with_finer_strands(soft, MASK, sharp, np.ones_like(MASK))
    at = cv2.erode(MASK, np.ones((9, 9))) > 0
    share = fine(result)[at].std() / fine(sharp)[at].std()
    assert fine(soft)[at].std() < 0.2 * fine(sharp)[at].std() and 0.3 < share < 1.1
    drawn = result[..., 0] - soft[..., 0]
    across, down = (cv2.Sobel(drawn, cv2.CV_32F, *order)[at] for order in ((1, 0), (0, 1)))
    strand = np.array([np.cos(np.radians(30)), -np.sin(np.radians(30))])  # y points down
    along, away = across * strand[0] + down * strand[1], -across * strand[1] + down * strand[0]
    assert away.std() > 2 * along.std()
    assert np.array_equal(result[MASK == 0], soft[MASK == 0])
    assert np.array_equal(result, with_finer_strands(soft, MASK, sharp, np.ones_like(MASK)))


def test_hair_that_is_sharp_enough_stays():
    sharp, other = hair(30, 0.3), hair(100, 0.3, seed=4)
    assert np.array_equal(with_finer_strands(sharp, MASK, other, MASK), sharp)
    assert np.array_equal(with_finer_strands(sharp, MASK, hair(0, 3), MASK), sharp)


def test_a_mask_too_small_to_tell_changes_nothing():
    soft, sharp = hair(30, 4), hair(30, 0.3)
    little = np.zeros_like(MASK)
    little[:5, :5] = 1
    assert np.array_equal(with_finer_strands(soft, MASK, sharp, little), soft)
    assert np.array_equal(with_finer_strands(soft, little, sharp, MASK), soft)


def octaves(image, mask):
    """Relative deviation of the two finest octaves of detail."""
    grey = image[..., 0]
    once, twice = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (0.5, 1))
    return np.array([(grey - once)[mask].std(), (once - twice)[mask].std()]) / grey[mask].mean()


def test_rendered_hair_gets_the_strands_of_a_photograph():
    rendered = hair(30, 4)
    result, alpha = with_strands(rendered, MASK)
    at = cv2.erode(MASK, np.ones((9, 9))) > 0
    assert octaves(rendered, at).max() < 0.01
    np.testing.assert_allclose(octaves(result, at), DRAWN * np.array(USUAL[:2]), rtol=0.2)
    np.testing.assert_allclose(result[at].mean(), rendered[at].mean(), rtol=0.02)
    drawn = (result - rendered)[..., 0]
    across, down = (cv2.Sobel(drawn, cv2.CV_32F, *order)[at] for order in ((1, 0), (0, 1)))
    strand = np.array([np.cos(np.radians(30)), -np.sin(np.radians(30))])  # y points down
    along, away = across * strand[0] + down * strand[1], -across * strand[1] + down * strand[0]
    assert away.std() > 2 * along.std()
    # its outline is uneven within a few pixels, and nowhere else
    band = cv2.dilate(MASK, np.ones((9, 9))) - cv2.erode(MASK, np.ones((9, 9)))
    assert np.abs(alpha - MASK)[band == 0].max() < 0.01 and np.abs(alpha - MASK).max() > 0.2
    again = with_strands(rendered, MASK)
    assert np.array_equal(result, again[0]) and np.array_equal(alpha, again[1])


def test_a_rendered_rim_goes():
    rendered = hair(30, 4)
    inner = np.float32(np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) < 98)
    rim = (MASK > 0) & (inner == 0)
    result, _ = with_strands(np.where(rim[..., None], 0.5 * rendered, rendered), MASK)
    assert abs(result[rim].mean() / result[inner > 0].mean() - 1) < 0.1


def test_photographed_hair_and_too_little_hair_stay_as_they_are():
    sharp = hair(30, 0.3)
    little = np.zeros_like(MASK)
    little[:5, :5] = 1
    for image, mask in ((sharp, MASK), (hair(30, 4), little), (sharp, np.zeros_like(MASK))):
        result, alpha = with_strands(image, mask)
        assert result is image and alpha is mask
