"""The identity network against the published one's outputs and gradient, and narrow ones."""

import pytest
import torch
import torch.nn.functional as F
from fixture import Fixture, picture

from barbershop_core.errors import WeightCorrupt
from barbershop_core.networks import arcface
from barbershop_core.networks.arcface import ArcFace, identity_crop, identity_embedding, identity_loss


@pytest.fixture(scope="module")
def published():
    fixture = Fixture("arcface_irse50")
    return fixture, arcface.from_state(fixture.checkpoint())


def pair(size: int):
    names = [":0", ":1"] if size == 256 else [""]
    y = torch.cat([picture(f"input:id_y_{size}{n}", size) for n in names])
    return y, 0.5 * y + 0.5 * torch.cat([picture(f"input:id_yhat_{size}{n}", size) for n in names])


def test_embedding(published):
    fixture, net = published
    faces = torch.cat([picture(f"input:face112:{i}", 112) for i in (0, 1)])
    with torch.no_grad():
        fixture.check("embedding", net(faces))
    assert (net.input_size, net.embedding, len(net.body)) == (112, 512, 24)


@pytest.mark.parametrize("size", [256, 1024])
def test_identity_loss(published, size):
    fixture, net = published
    y, yhat = pair(size)
    fixture.check(f"pooled_{size}", identity_crop(y, 112)[..., ::4, ::4])
    with torch.no_grad():
        reference = identity_embedding(net, y)
        fixture.check(f"feats_y_{size}", reference)
        fixture.check(f"feats_yhat_{size}", identity_embedding(net, yhat))
    yhat.requires_grad_(size == 256)
    loss = identity_loss(net, yhat, reference)
    fixture.check(f"loss_{size}", loss)
    torch.testing.assert_close(loss, identity_loss(net, yhat, y))
    if size == 256:
        loss.backward()
        fixture.check_gradient("grad_yhat_256", yhat.grad, 8, "grad_yhat_256_norm")


@pytest.mark.parametrize(
    "channels,blocks,size,reduction",
    [((16, 32, 64, 128), (1, 1, 2, 1), 64, 16), ((8, 16), (2, 1), 20, None), ((6, 4, 10), (1, 3, 1), 24, 2)],
)
def test_narrow_nets_come_back_from_their_weights(channels, blocks, size, reduction):
    torch.manual_seed(0)
    net = ArcFace(channels, blocks, size, 12, reduction).eval()
    again = arcface.from_state(net.state_dict())
    x = torch.randn(3, 3, size, size)
    with torch.no_grad():
        assert torch.equal(net(x), again(x))
        torch.testing.assert_close(again(x).norm(dim=1), torch.ones(3))
        torch.testing.assert_close(again(x)[2:], again(x[2:]), rtol=1e-4, atol=1e-5)
        assert identity_embedding(again, torch.randn(2, 3, 100, 100)).shape == (2, 12)
    assert again.input_size == size


@pytest.mark.parametrize("size", [128, 300, 512])
def test_crop_is_the_published_one_at_every_size(size):
    """torch's own adaptive pooling is the published operation."""
    x = torch.randn(2, 3, size, size)
    expected = F.adaptive_avg_pool2d(F.adaptive_avg_pool2d(x, 256)[:, :, 35:223, 32:220], 56)
    torch.testing.assert_close(identity_crop(x, 56), expected, rtol=1e-4, atol=1e-5)


def test_loss_is_zero_on_itself_and_spares_the_reference():
    net = arcface.from_state(ArcFace((4, 8), (1, 1), 16, 8, 4).state_dict())
    x = torch.randn(2, 3, 64, 64, requires_grad=True)
    y = torch.randn(2, 3, 64, 64, requires_grad=True)
    assert abs(identity_loss(net, x, x.detach()).item()) < 1e-5
    identity_loss(net, x, y).backward()
    assert y.grad is None and x.grad.abs().sum() > 0
    assert not any(p.grad is not None for p in net.parameters())


def test_wrong_weights_are_named():
    state = ArcFace((4, 8), (1, 1), 16, 8, 4).state_dict()
    for spoiled, words in [
        ({"input_layer.0.weight": torch.ones(4, 6, 3, 3)}, "6 channels"),
        ({"input_layer.0.weight": torch.ones(4, 3, 3, 3)}, "'body.0' is missing"),
        (state | {"output_layer.3.weight": torch.ones(8, 99)}, "shape"),
        (state | {"more": torch.ones(1)}, "'more' does not belong"),
    ]:
        with pytest.raises(WeightCorrupt, match=words):
            arcface.from_state(spoiled)
    with pytest.raises(ValueError):
        ArcFace((8, 8), (1, 1), 16)
