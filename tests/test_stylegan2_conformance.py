"""The generator against outputs and gradients of the published implementations, from files on disk."""

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import FOLDER, Fixture

from barbershop_core import networks

SLOW = pytest.mark.slow


def stats(image: torch.Tensor) -> torch.Tensor:
    """[N,C,(mean, std)]"""
    return torch.stack([image.mean((2, 3)), image.flatten(2).std(2, unbiased=False)], 2)


def tensors(fixture: Fixture, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(fixture.io[name]) for name in names]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """name -> fixture and generator, loaded from a file as published."""
    cache = {}

    def opened(name: str):
        fixture = Fixture(name)
        key = fixture.spec["state_sha256"]
        if key not in cache:
            cache.clear()  # one 1024 px generator at a time
            path = tmp_path_factory.mktemp("weights") / "published.pt"
            torch.save(fixture.checkpoint(), path)
            cache[key] = networks.load("stylegan2", path)
            path.unlink()
        return fixture, cache[key]

    return opened


@pytest.mark.parametrize("size", [256, pytest.param(1024, marks=SLOW)])
def test_rosinality(opened, size):
    fixture, net = opened(f"stylegan2_rosinality_{size}")
    z, w_plus = tensors(fixture, "z", "w_plus")
    step, crop = size // 128 if size == 1024 else 4, slice(size // 2 - 16, size // 2 + 16)
    assert (net.size, net.n_latent, net.style_dim) == (size, w_plus.shape[1], 512)

    def check(name: str, image: torch.Tensor) -> None:
        for part, value in (
            ("", image[..., ::step, ::step]),
            ("_stats", stats(image)),
            ("_crop", image[..., crop, crop]),
        ):
            if name + part in fixture.io:
                fixture.check(name + part, value)

    with torch.no_grad():
        w = net.mapping(z)
        fixture.check("w", w)
        check("image_w", net.synthesis(net.spread(w)))
        check("image_trunc07", net.synthesis(net.w_mean + 0.7 * (w[:1] - net.w_mean)))
        fixture.check("image_mixed_nonoise_stats", stats(net.synthesis(w_plus, noise="none")))

    outputs = []
    layers = [net.conv1, *net.convs]
    hooks = [layer.register_forward_hook(lambda *a: outputs.append(a[2][0].detach())) for layer in layers]
    w_plus.requires_grad_()
    image = net.synthesis(w_plus)
    [hook.remove() for hook in hooks]
    check("image_mixed", image.detach())
    fixture.check("act_stats", np.array([(x.mean().item(), x.std(unbiased=False).item()) for x in outputs]))
    image.square().mean().backward()
    fixture.check_gradient("grad_w_plus", w_plus.grad, 1)


def test_barbershop_feature_space(opened):
    fixture, net = opened("stylegan2_barbershop_fs")
    (codes,) = tensors(fixture, "S")
    with torch.no_grad():
        feature = net.features(codes)
        fixture.check("F", feature[:, ::4])
        fixture.check("F_stats", stats(feature))
        fixture.check("F_skip", net.synthesis(codes, resolution=32))
        for name, image in (("image_full", net.synthesis(codes)), ("image_fs", net.synthesis(codes, feature=feature))):
            fixture.check(name, image[..., ::4, ::4])
            fixture.check(f"{name}_stats", stats(image))
    assert net.feature_size == 32 and tuple(feature.shape) == (1, 512, 32, 32)

    codes.requires_grad_()
    net.features(codes).square().mean().backward()
    used = (codes.grad.abs().amax((0, 2)) > 0).int().numpy()
    np.testing.assert_array_equal(used, fixture.io["F_uses_index"])
    codes.grad = None

    feature = torch.from_numpy(weights.array("input:F", (1, 512, 32, 32), fixture.seed, std=0.6))
    feature.requires_grad_()
    image = net.synthesis(codes, feature=feature)
    fixture.check("image_fs_input", image[..., ::4, ::4])
    fixture.check("image_fs_input_stats", stats(image))
    image.square().mean().backward()
    fixture.check_gradient("grad_S", codes.grad, 1)
    fixture.check_gradient("grad_F", feature.grad[:, ::8], 1)
    used = (codes.grad.abs().amax((0, 2)) > 0).int().numpy()
    np.testing.assert_array_equal(used, fixture.io["image_uses_index"])
    assert net.feature_index == int(used.argmax()) == 7


@pytest.mark.parametrize("name,step", [pytest.param("stylespace", 8, marks=SLOW), ("stylespace_nvidia", 4)])
def test_style_space(opened, name, step):
    fixture, net = opened(name)
    (w_plus,) = tensors(fixture, "w_plus")
    with torch.no_grad():
        styles = net.styles(w_plus)
        assert [s.shape[1] for s in styles] == fixture.io["dims"].tolist()
        fixture.check("S", torch.cat(styles, 1))
        image = net.synthesis_from_styles(styles)
        fixture.check("image", image[..., ::step, ::step])
        fixture.check("image_stats", stats(image))
        for (position, channel), delta in zip(fixture.io["edits"], fixture.io["edit_delta"]):
            styles[position][:, channel] += float(delta)
        image = net.synthesis_from_styles(styles)
        fixture.check("image_edited", image[..., ::step, ::step])
        fixture.check("image_edited_stats", stats(image))


def test_nvidia_state_dict(opened):
    fixture, net = opened("nvidia_stylegan2_ada")
    z, w_plus = tensors(fixture, "z", "w_plus")
    with torch.no_grad():
        w = net.mapping(z)
        fixture.check("w", w)
        fixture.check("w_trunc07", net.w_mean + 0.7 * (w[:1] - net.w_mean))
        cut = torch.stack([net.w_mean + 0.5 * (w[0] - net.w_mean), w[0]])
        fixture.check("w_trunc05_cut8", cut)
        for name, image in (("image_w", net.synthesis(w[:1])), ("image_mixed", net.synthesis(w_plus))):
            fixture.check(name, image[..., ::4, ::4])
            fixture.check(f"{name}_stats", stats(image))
        fixture.check("image_mixed_crop", image[..., 112:144, 112:144])
        fixture.check("image_mixed_unfused_stats", stats(image))
        fixture.check("image_mixed_nonoise_stats", stats(net.synthesis(w_plus, noise="none")))


def test_nvidia_pickle():
    fixture = Fixture("nvidia_pkl_layout")
    net = networks.load("stylegan2", FOLDER / "nvidia_pkl_layout" / "tiny.pkl")
    (z,) = tensors(fixture, "z")
    made = fixture.spec["constructor"]
    assert (net.size, net.style_dim, net.z_dim) == (made["img_resolution"], made["w_dim"], made["z_dim"])
    assert net.conv1.clamp == net.to_rgb1.clamp == made["synthesis_kwargs"]["conv_clamp"]
    with torch.no_grad():
        w = net.mapping(z)
        truncated = net.w_mean + 0.7 * (w - net.w_mean)
        fixture.check("w_trunc07", truncated)
        fixture.check("image", net.synthesis(truncated))
        fixture.check("image_psi1", net(z))
    state = weights.state_dict(str(FOLDER / "nvidia_pkl_layout"), 1)
    same = networks.load("stylegan2", state)
    with torch.no_grad():
        torch.testing.assert_close(same(z), net(z))  # what the pickle held is what the keys say
