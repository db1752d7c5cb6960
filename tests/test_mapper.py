"""The latent mapper against the published implementation, from files as published."""

import pytest
import torch
from fixture import Fixture

from barbershop_core import errors, networks


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
