"""Global directions: the arithmetic against the published implementation, the stored tables."""

import pickle

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import Fixture

from barbershop_core import errors
from barbershop_core.styleclip import directions


def drawn(name, shape, **options):
    return torch.from_numpy(np.asarray(weights.array(name, shape, 1, **options), np.float32))


@pytest.fixture(scope="module")
def published():
    fixture = Fixture("directions")
    dims = fixture.spec["conventions"]["s_dims"]
    text = (
        0.5 * drawn("input:text_features", (2, 79, 512))
        + drawn("input:text_common", (1, 1, 512))
        + 0.3 * drawn("input:text_class", (2, 1, 512))
    )
    std = [drawn(f"input:S_std:{k}", (d,), mean=0.5, std=0.2).abs() for k, d in enumerate(dims)]
    table = directions.from_arrays(drawn("input:fs3", (6048, 512)), torch.cat(std), dims)
    return fixture, table, directions.text_direction(text[0], text[1]), dims


def test_text_direction_and_relevance(published):
    fixture, table, direction, dims = published
    fixture.check("dt", direction)
    fixture.check("relevance", table.change @ direction)
    assert directions.convolutions(len(dims)) == fixture.spec["conventions"]["conv_positions"]


@pytest.mark.parametrize("case", [0, 1, 2])
def test_boundary_and_edited_styles(published, case):
    fixture, table, direction, dims = published
    beta, alpha = fixture.io["cases"][case]
    weights_ = directions.channel_weights(table, direction, float(beta))
    assert int((weights_ != 0).sum()) == fixture.io[f"num_channels_{case}"][0]
    change = directions.boundary(table, weights_)
    fixture.check(f"boundary_{case}", change)
    styles = torch.cat([drawn(f"input:S:{k}", (3, d), mean=0.3)[0] for k, d in enumerate(dims)])
    fixture.check(f"codes_{case}", styles + float(alpha) * change)


def test_a_table_of_the_first_layers_only(published):
    fixture, table, direction, _ = published
    short = directions.Table(table.change[: fixture.spec["short_rows"]], table.std, table.widths)
    found = directions.channel_weights(short, direction, float(fixture.io["cases"][0][0]))
    assert int((found != 0).sum()) == fixture.io["num_channels_short"][0]
    fixture.check("boundary_short", directions.boundary(short, found))


def test_image_directions(published):
    fixture = published[0]
    raw = drawn("input:single_channel", (40, 10, 2, 512)) + 2 * drawn("input:single_common", (1, 10, 1, 512))
    found = directions.image_directions(raw[:, :, 0], raw[:, :, 1])
    fixture.check("fs3_from_raw", found[:, ::4])


def test_published_statistics_come_through_the_restricted_reader(tmp_path, published):
    from barbershop_core.weights import unpickle

    _, table, _, dims = published
    layers = [part.numpy() for part in table.std.split(list(dims))]
    with open(tmp_path / "S_mean_std", "wb") as file:
        pickle.dump([[np.zeros_like(x) for x in layers], layers], file, protocol=2)
    with open(tmp_path / "S_mean_std", "rb") as file:
        read = directions.from_arrays(table.change, unpickle.load(file))
    assert torch.equal(read.std, table.std) and read.widths == tuple(dims)


def test_no_channel_is_relevant_enough(published):
    _, table, direction, _ = published
    assert not directions.channel_weights(table, direction, 0.99).any()


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(errors.WeightCorrupt, match="do not fit"):
        directions.from_arrays(torch.zeros(50, 8), torch.ones(30), [10, 10, 10])
    with pytest.raises(errors.WeightCorrupt, match="no table"):
        directions.from_state({"change": torch.zeros(3, 3)})


def test_templates_are_the_published_ones():
    from hashlib import sha256

    from barbershop_core.weights.assets import templates

    assert len(templates()) == 79
    told = Fixture("directions").spec["conventions"]["templates"]["sha256_of_lines_joined_by_newline"]
    assert sha256("\n".join(templates()).encode()).hexdigest() == told
