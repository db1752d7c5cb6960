"""Checkpoints of trainings: read by the training they belong to, and by no other."""

import pytest
import torch
from torch import nn

from barbershop_core import errors
from barbershop_core.training import checkpoints

IDENTITY = {"prompt": "mohawk", "levels": ("a", "b"), "lr": 0.1, "networks": "12ab"}


def test_a_checkpoint_comes_back(tmp_path):
    path = tmp_path / "mohawk.part.pt"
    assert checkpoints.load(path, IDENTITY) is None
    optimizer = torch.optim.Adam([nn.Parameter(torch.ones(2))])
    state = {"index": 3, "net": {"weight": torch.arange(4.0)}, "optimizer": optimizer.state_dict()}
    checkpoints.save(path, state, IDENTITY)
    found = checkpoints.load(path, dict(IDENTITY))
    assert found["index"] == 3 and torch.equal(found["net"]["weight"], torch.arange(4.0))
    assert found["optimizer"] == optimizer.state_dict()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("other", [{"lr": 0.2}, {"networks": "34cd"}, {"seed": 1}])
def test_another_training_does_not_resume_it(tmp_path, other):
    checkpoints.save(tmp_path / "a.pt", {"index": 3}, IDENTITY)
    assert checkpoints.load(tmp_path / "a.pt", IDENTITY | other) is None
    torch.save({"index": 3}, tmp_path / "old.pt")  # without an identity
    assert checkpoints.load(tmp_path / "old.pt", IDENTITY) is None


def test_an_interrupted_write_keeps_the_previous_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    checkpoints.save(path, {"index": 3}, IDENTITY)

    def interrupted(state, file):
        file.write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(path, {"index": 4}, IDENTITY)
    assert checkpoints.load(path, IDENTITY) == {"index": 3}


def test_damaged_checkpoints_are_an_error(tmp_path):
    path = tmp_path / "a.pt"
    checkpoints.save(path, {"weight": torch.ones(1000)}, IDENTITY)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(errors.WeightCorrupt, match="damaged"):
        checkpoints.load(path, IDENTITY)


def test_digest_tells_networks_apart():
    torch.manual_seed(0)
    a, b = nn.BatchNorm2d(3), nn.Linear(3, 3)
    assert checkpoints.digest(a, b) == checkpoints.digest(a, b) != checkpoints.digest(b, a)
    before = checkpoints.digest(b)
    with torch.no_grad():
        b.bias[0] += 1e-6
    assert checkpoints.digest(b) != before
