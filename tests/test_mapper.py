"""The latent mapper against the published implementation, from files as published."""

import pytest
import torch
from fixture import Fixture

from barbershop_core import errors, networks
from barbershop_core.networks.mapper import ROWS
from barbershop_core.styleclip import options


@pytest.mark.parametrize("name", ["mapper_levels", "mapper_levels_no_coarse", "mapper_single"])
def test_published_checkpoint(name, tmp_path):
    fixture = Fixture(name)
    published = fixture.checkpoint()
    published["state_dict"]["decoder.conv1.conv.weight"] = torch.zeros(3)  # the generator's copy: ignored
    torch.save(published, tmp_path / "mapper.pt")
    net = networks.load("mapper", tmp_path / "mapper.pt")
    w_plus = torch.from_numpy(fixture.io["w_plus"])
    with torch.no_grad():
        delta = net(w_plus)
    fixture.check("delta", delta)
    fixture.check("w_hat", w_plus + 0.1 * delta)
    if name.endswith("no_coarse"):
        assert not delta[:, :4].any() and delta[:, 4:].any()


def test_checkpoints_of_something_else_are_refused(tmp_path):
    state = Fixture("mapper_levels").checkpoint()["state_dict"]
    partial = {k: v for k, v in state.items() if not k.endswith("4.bias")}
    torch.save({"state_dict": partial}, tmp_path / "a.pt")
    with pytest.raises(errors.WeightCorrupt, match=r"4\.bias' is missing"):
        networks.load("mapper", tmp_path / "a.pt")
    torch.save({"decoder.style.1.weight": torch.zeros(3, 3)}, tmp_path / "b.pt")
    with pytest.raises(errors.WeightCorrupt, match="mapper"):
        networks.load("mapper", tmp_path / "b.pt")


def test_codes_of_another_size_are_refused():
    with pytest.raises(ValueError, match="512"):
        networks.load("mapper", Fixture("mapper_single").checkpoint())(torch.zeros(1, 12, 128))


@pytest.mark.parametrize("name", ["mapper_levels", "mapper_levels_no_coarse", "mapper_single"])
def test_levels_are_switched_off_as_by_the_published_options(name):
    """Rows of levels that are off do not change, the others as before."""
    fixture = Fixture(name)
    net, w_plus = networks.load("mapper", fixture.checkpoint()), torch.from_numpy(fixture.io["w_plus"])
    assert tuple(ROWS) == options.LEVEL_NAMES
    with torch.no_grad():
        whole = net(w_plus)
        for off, rows in ROWS.items():
            part = net(w_plus, [level for level in ROWS if level != off])
            assert not part[:, rows].any()
            kept = torch.ones(w_plus.shape[1], dtype=torch.bool)
            kept[rows] = False
            assert torch.equal(part[:, kept], whole[:, kept])
