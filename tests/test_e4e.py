"""The W+ encoder against the published one's outputs, and narrow ones."""

import pytest
import torch
from fixture import Fixture, picture, stats

from barbershop_core.errors import WeightCorrupt
from barbershop_core.networks import e4e
from barbershop_core.networks.e4e import Encoder4Editing


@pytest.mark.parametrize("size", [256, pytest.param(1024, marks=pytest.mark.slow)])
def test_conformance(size):
    fixture = Fixture(f"e4e_encoder_{size}")
    checkpoint = fixture.checkpoint()
    # the published file carries the generator, too
    checkpoint["state_dict"]["decoder.style.1.weight"] = torch.ones(2, 2)
    net = e4e.from_state(checkpoint)
    x = picture("input:image", 256)
    with torch.no_grad():
        fixture.check("offsets", net.offsets(x))
        fixture.check("codes", net(x))
        for name, features in zip(("c1_stats", "c2_stats", "c3_stats"), net.pyramid(x)):
            fixture.check(name, stats([features])[0])
    assert (net.n_latent, net.style_dim, net.input_size) == ({256: 14, 1024: 18}[size], 512, 256)


def narrow(**options):
    torch.manual_seed(0)
    arguments = dict(n_latent=12, style_dim=16, channels=(4, 8, 12, 16), blocks=(1, 1, 2, 1), input_size=64)
    net = Encoder4Editing(**arguments | options).eval()
    net.latent_avg.normal_()
    return net


@pytest.mark.parametrize(
    "options",
    [{}, {"input_size": 128, "coarse": 4, "middle": 2}, {"n_latent": 5}, {"reduction": None, "style_dim": 24}],
)
def test_narrow_nets_come_back_from_their_weights(options):
    net = narrow(**options)
    state = net.state_dict()
    published = {
        "state_dict": {"encoder." + k: v for k, v in state.items() if k != "latent_avg"},
        "latent_avg": state["latent_avg"],
        "opts": {"encoder_type": "Encoder4Editing"},
    }
    x = torch.randn(2, 3, net.input_size, net.input_size)
    for checkpoint in (state, published, {"encoder." + k: v for k, v in state.items()}):
        again = e4e.from_state(checkpoint)
        with torch.no_grad():
            assert torch.equal(net(x), again(x)) and again(x).shape == (2, net.n_latent, net.style_dim)
            torch.testing.assert_close(again(x)[1:], again(x[1:]), rtol=1e-4, atol=1e-5)
            assert again(torch.randn(1, 3, 100, 100)).shape == (1, net.n_latent, net.style_dim)
            assert again(torch.randn(1, 3, 32, 32)).isfinite().all()


def test_mean_code():
    net = narrow()
    state = {k: v for k, v in net.state_dict().items() if k != "latent_avg"}
    x = torch.randn(1, 3, 64, 64)
    one_row = {"state_dict": {"encoder." + k: v for k, v in state.items()}, "latent_avg": torch.arange(16.0)}
    with torch.no_grad():
        offsets = net.offsets(x)
        torch.testing.assert_close(e4e.from_state(one_row)(x), offsets + torch.arange(16.0))
        off = one_row | {"opts": {"start_from_latent_avg": False}}
        torch.testing.assert_close(e4e.from_state(off)(x), offsets)
        torch.testing.assert_close(e4e.from_state(state)(x), offsets)


def test_first_row_is_the_base_of_all_others():
    """With the heads of the other rows silenced, all rows are row 0: e4e's one style plus offsets."""
    net = narrow()
    for head in net.styles[1:]:
        head.linear.weight.data.zero_()
    with torch.no_grad():
        rows = net.offsets(torch.randn(1, 3, 64, 64))
    assert torch.equal(rows, rows[:, :1].expand_as(rows)) and rows.abs().sum() > 0


def test_other_encoders_are_refused():
    state = {"encoder." + k: v for k, v in narrow().state_dict().items()}
    with pytest.raises(WeightCorrupt, match="GradualStyleEncoder"):
        e4e.from_state({"state_dict": state, "opts": {"encoder_type": "GradualStyleEncoder"}})
    restyle = state | {"encoder.input_layer.0.weight": torch.ones(4, 6, 3, 3)}
    with pytest.raises(WeightCorrupt, match="6 channels"):
        e4e.from_state({"state_dict": restyle})
    with pytest.raises(WeightCorrupt, match="styles.0.linear.weight"):
        e4e.from_state({k: v for k, v in state.items() if ".styles." not in k})
    with pytest.raises(WeightCorrupt, match="latent_avg"):
        e4e.from_state(state | {"encoder.latent_avg": torch.ones(7, 16)})
