"""The face parser against the published one's outputs, and its narrow variants."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fixture import Fixture, picture

from barbershop_core.errors import WeightCorrupt
from barbershop_core.networks import bisenet
from barbershop_core.networks.bisenet import BiSeNet

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@pytest.mark.parametrize("classes", [16, 19])
def test_conformance(classes, tmp_path):
    fixture = Fixture(f"bisenet_{classes}")
    torch.save(fixture.checkpoint(), tmp_path / "parser.pth")
    net = bisenet.from_state(torch.load(tmp_path / "parser.pth", weights_only=True))
    assert net.n_classes == classes and net.widths == (64, 128, 256, 512)
    x = ((picture("input:image", 512) + 1) / 2 - MEAN) / STD
    with torch.no_grad():
        heads = net.forward_all(x)
        assert torch.equal(net(x), heads[0])
    for name, head in zip(("logits", "logits16", "logits32"), heads):
        fixture.check(name, head[..., ::16, ::16])
    logits = heads[0][0].numpy()
    fixture.check("logits_stats", np.stack([logits.mean((1, 2)), logits.std((1, 2))], 1))
    best = np.sort(logits, 0)
    margin = best[-1] - best[-2]
    fixture.check("margin", margin[::4, ::4])
    sure = fixture.io["margin"][0] > 2 * fixture.atol("margin")
    labels = logits.argmax(0)
    assert (labels[::4, ::4] == fixture.io["argmax"][0])[sure].all()
    doubtful = int((margin <= 2 * fixture.atol("margin")).sum())
    pixels = np.bincount(labels.ravel(), minlength=classes)
    assert np.abs(pixels - fixture.io["class_pixels"]).max() <= doubtful


@pytest.mark.parametrize("widths,classes,size", [((16, 32, 64, 128), 19, 64), ((8, 12, 20, 24), 16, 70)])
def test_narrow_nets_come_back_from_their_weights(widths, classes, size):
    torch.manual_seed(0)
    net = BiSeNet(classes, widths, (1, 2, 1, 2), context=10, auxiliary=6).eval()
    again = bisenet.from_state(net.state_dict())
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(net(x), again(x)) and again(x).shape == (2, classes, size, size)
        # each sample for itself
        both, alone = again(x)[1:], again(x[1:])
        assert (both - alone).abs().max() < 1e-4 * alone.std()
    assert not again.training and not any(p.requires_grad for p in again.parameters())


def test_a_narrow_parser_learns_and_its_copy_is_its_own():
    """Three colours, three classes: a few steps are enough."""
    torch.manual_seed(0)
    net = bisenet.from_state(BiSeNet(3, (8, 8, 16, 16)).state_dict()).train().requires_grad_(True)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    copy = bisenet.from_state(net.state_dict())
    labels = torch.randint(0, 3, (6, 4, 4)).repeat_interleave(16, 1).repeat_interleave(16, 2)
    image = torch.eye(3)[labels].permute(0, 3, 1, 2) * 2 - 1
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(25):
        loss = sum(F.cross_entropy(h, labels) for h in net.forward_all(image))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (net(image).argmax(1) == labels).float().mean() > 0.8
    assert all(torch.equal(before[k], v) for k, v in copy.state_dict().items())


def test_batch_counters_may_be_absent_and_other_prefixes_are_read():
    net = BiSeNet(5, (8, 8, 8, 8)).eval()
    old = {
        "module." + k: v.half() if v.is_floating_point() else v
        for k, v in net.state_dict().items()
        if not k.endswith("num_batches_tracked")
    }
    x = torch.randn(1, 3, 64, 64)
    again = bisenet.from_state({"state_dict": old})
    with torch.no_grad():
        torch.testing.assert_close(net(x), again(x), rtol=2e-2, atol=2e-2)  # half precision weights


def test_wrong_weights_are_named():
    state = BiSeNet(5, (8, 8, 8, 8)).state_dict()
    for spoiled, words in [
        ({}, "holds no weights"),
        ([1], "holds no weights"),
        ({"a": torch.ones(1)}, "missing"),
        (state | {"more": torch.ones(1)}, "'more' does not belong"),
        ({k: v for k, v in state.items() if k != "ffm.conv1.weight"}, "ffm.conv1"),
        (state | {"conv_out16.conv_out.weight": torch.ones(4, 8, 1, 1)}, "shape"),
        (state | {"conv_out.conv_out.weight": torch.ones(4)}, "shape"),
    ]:
        with pytest.raises(WeightCorrupt, match=words):
            bisenet.from_state(spoiled)
