"""photo.pixels: uint8 pictures to tensors and back."""

import numpy as np
import pytest
import torch

from barbershop_core.photo.pixels import from_uint8, to_uint8


@pytest.mark.parametrize("shape", [(5, 7, 3), (2, 5, 7, 3)])
def test_every_level_survives_there_and_back(shape):
    pixels = np.resize(np.arange(256, dtype=np.uint8), shape)
    pixels.flags.writeable = False
    image = from_uint8(pixels)
    assert image.dtype == torch.float32 and image.is_contiguous() and image.shape[1:] == (3, 5, 7)
    np.testing.assert_array_equal(to_uint8(image).numpy().reshape(shape), pixels)


def test_black_is_minus_one_and_white_is_one():
    pixels = np.array([[[0, 255, 0]]], dtype=np.uint8)
    assert from_uint8(pixels).flatten().tolist() == [-1, 1, -1]


def test_what_lies_outside_of_the_range_is_clamped():
    image = torch.tensor([-3.0, 0.0, 3.0]).view(1, 3, 1, 1)
    assert to_uint8(image).flatten().tolist() == [0, 128, 255]


def test_flipped_arrays_are_taken():
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert torch.equal(from_uint8(pixels[:, ::-1]), from_uint8(pixels).flip(-1))
