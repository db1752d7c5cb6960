"""Colour and overlap figures against published numbers and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from barbershop_core.evaluation import metrics

# Sharma, Wu & Dalal 2005, table 1: Lab, Lab, CIEDE2000
SHARMA = np.array(
    [
        (50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425),
        (50, 3.1571, -77.2803, 50, 0, -82.7485, 2.8615),
        (50, 2.8361, -74.0200, 50, 0, -82.7485, 3.4412),
        (50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000),
        (50, -1.1848, -84.8006, 50, 0, -82.7485, 1.0000),
        (50, -0.9009, -85.5211, 50, 0, -82.7485, 1.0000),
        (50, 0, 0, 50, -1, 2, 2.3669),
        (50, -1, 2, 50, 0, 0, 2.3669),
        (50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792),
        (50, 2.49, -0.001, 50, -2.49, 0.0010, 7.1792),
        (50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195),
        (50, 2.49, -0.001, 50, -2.49, 0.0012, 7.2195),
        (50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045),
        (50, -0.001, 2.49, 50, 0.0010, -2.49, 4.8045),
        (50, -0.001, 2.49, 50, 0.0011, -2.49, 4.7461),
        (50, 2.5, 0, 50, 0, -2.5, 4.3065),
        (50, 2.5, 0, 73, 25, -18, 27.1492),
        (50, 2.5, 0, 61, -5, 29, 22.8977),
        (50, 2.5, 0, 56, -27, -3, 31.9030),
        (50, 2.5, 0, 58, 24, 15, 19.4535),
        (50, 2.5, 0, 50, 3.1736, 0.5854, 1.0000),
        (50, 2.5, 0, 50, 3.2972, 0, 1.0000),
        (50, 2.5, 0, 50, 1.8634, 0.5757, 1.0000),
        (50, 2.5, 0, 50, 3.2592, 0.3350, 1.0000),
        (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
        (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
        (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
        (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
        (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
        (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
        (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
        (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
        (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
        (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
    ]
)


def test_ciede2000_of_the_published_pairs():
    found = metrics.ciede2000(SHARMA[:, :3], SHARMA[:, 3:6])
    np.testing.assert_allclose(found, SHARMA[:, 6], atol=6e-5)
    np.testing.assert_allclose(metrics.ciede2000(SHARMA[:, 3:6], SHARMA[:, :3]), SHARMA[:, 6], atol=6e-5)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # Lindbloom's calculator, sRGB, D65
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.2408, 80.0925, 67.2032)),
        ((0, 255, 0), (87.7347, -86.1827, 83.1793)),
        ((0, 0, 255), (32.2970, 79.1875, -107.8602)),
    ],
)
def test_lab_of_known_colours(rgb, lab):
    np.testing.assert_allclose(metrics.lab(np.array(rgb, np.uint8)), lab, atol=0.01)


def test_colours_return_from_lab():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1)
    assert (metrics.rgb(metrics.lab(colours)) == colours).all()


def test_overlap():
    one, two = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert metrics.iou(one, two) is None
    one[:2], two[1:3] = True, True
    assert metrics.iou(one, two) == pytest.approx(4 / 12)


def test_error_counts_inside_the_mask_only():
    one = np.full((4, 4, 3), 100, np.uint8)
    two, mask = one.copy(), np.zeros((4, 4), bool)
    mask[0] = True
    two[0] += 10
    two[1] = 255
    assert metrics.masked_psnr(one, two, mask) == pytest.approx(20 * np.log10(25.5))
    assert metrics.masked_psnr(two, one, mask) == metrics.masked_psnr(one, two, mask)
    assert metrics.masked_psnr(one, one, mask) == 100
    assert metrics.masked_psnr(one, two, ~mask & mask) is None


def test_hair_colour_is_compared_where_both_have_hair():
    image, truth = np.zeros((2, 4, 3), np.uint8), np.zeros((2, 4, 3), np.uint8)
    hair, true_hair = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    hair[:, :2], true_hair[:, 1:3] = True, True
    image[:, 0], image[:, 1] = (255, 0, 0), (90, 60, 30)
    truth[:, 1], truth[:, 2] = (90, 60, 30), (0, 0, 255)
    assert metrics.colour_difference(image, hair, truth, true_hair) == pytest.approx(0)
    apart = metrics.ciede2000(metrics.lab(image[0, 0]), metrics.lab(truth[0, 2]))
    hair[:, 1], true_hair[:, 1] = False, False
    assert metrics.colour_difference(image, hair, truth, true_hair) == pytest.approx(float(apart))
    assert metrics.colour_difference(image, hair & False, truth, true_hair) is None
