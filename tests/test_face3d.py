"""Deep3DFaceRecon's layout: keys, order of the heads, and where the face lies in an FFHQ portrait."""

import pytest
import torch
from torchvision.models import resnet50

from barbershop_core import networks
from barbershop_core.errors import WeightCorrupt
from barbershop_core.face3d import basel
from barbershop_core.face3d.deep3d import HEADS, Face3D
from barbershop_core.pie.face_reader import FaceReader


@pytest.fixture(scope="module")
def checkpoint():
    """A file as published: the network under "net_recon", ResNet-50's names below "backbone"."""
    torch.manual_seed(0)
    trunk = resnet50(weights=None).state_dict()
    state = {f"backbone.{k}": v for k, v in trunk.items() if "fc." not in k}
    for k, count in enumerate(HEADS):
        state[f"final_layers.{k}.weight"] = 1e-5 * torch.randn(count, 2048, 1, 1)
        state[f"final_layers.{k}.bias"] = torch.full((count,), float(k))
    return {"net_recon": state, "opt_00": {}}


def model():
    """A Basel model of a few vertices with 68 landmarks among them."""
    g = torch.Generator().manual_seed(1)
    vertices = 90
    points = torch.randn(vertices, 3, generator=g) * torch.tensor([0.5, 0.6, 0.2])
    return basel.from_3ddfa(
        {
            "u": points.reshape(-1, 1).numpy(),
            "id": 0.001 * torch.randn(270, 80, generator=g).numpy(),
            "exp": 0.001 * torch.randn(270, 64, generator=g).numpy(),
            "u_alb": torch.full((270, 1), 130.0).numpy(),
            "alb": torch.randn(270, 80, generator=g).numpy(),
            "tri": torch.tensor([[0, 1, 2], [3, 4, 5]]).numpy(),
            "point_buf": torch.full((vertices, 8), 2).numpy(),
            "ldm68": torch.arange(68).numpy(),
        }
    )


def test_layout_and_order(checkpoint):
    net = networks.load("face3d", checkpoint)
    assert isinstance(net, Face3D)
    image = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        numbers = net(image)
        features = net.backbone(image)
        theta = basel.theta_of(numbers)
    assert numbers.shape == (2, 257) and features.shape == (2, 2048)
    heads = checkpoint["net_recon"]
    angles = features @ heads["final_layers.3.weight"][..., 0, 0].T + 3
    torch.testing.assert_close(theta.rotation, angles, atol=1e-4, rtol=1e-4)
    means = [float(getattr(theta, name).mean()) for name in ("identity", "expression", "texture", "light")]
    assert [round(mean) for mean in means] == [0, 1, 2, 4]  # the heads' biases
    with pytest.raises(WeightCorrupt):
        networks.load("face3d", {"net_recon": {"final_layers.0.weight": torch.zeros(80, 8, 1, 1)}})


def test_theta_in_the_whole_portrait(checkpoint):
    """Landmarks drawn from theta lie where the network's crop says, in shares of the whole portrait."""
    for k in range(len(HEADS)):  # a straight, centred face
        checkpoint["net_recon"][f"final_layers.{k}.bias"].zero_()
        checkpoint["net_recon"][f"final_layers.{k}.weight"].zero_()
    net, face = networks.load("face3d", checkpoint), model()
    seen = FaceReader(face, net)(torch.zeros(1, 3, 256, 256))
    inside = face.shares(basel.theta_of(torch.zeros(1, 257)))[0]
    expected = inside * 0.89 + torch.tensor([0.055, 0.17])
    assert (seen.landmarks[0] - expected).norm(dim=-1).mean() < 0.02
    assert seen.rest.shape == (1, 0) and seen.theta.sizes == face.sizes
