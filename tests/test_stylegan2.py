"""The generator against a plain formulation, at other sizes, batches and seeds; layouts; gradients."""

import copy

import pytest
import torch
from benchmarks.plain_stylegan2 import PlainGenerator

from barbershop_core import networks
from barbershop_core.errors import BadRequest, WeightCorrupt
from barbershop_core.networks.resample import bicubic_downsample
from barbershop_core.networks.stylegan2 import BlockState, Generator

NARROW = {4: 24, 8: 16, 16: 20, 32: 12, 64: 8, 128: 6}


def make(size=64, style_dim=12, n_mlp=2, channels=NARROW, z_dim=None, seed=0, dtype=torch.float32) -> Generator:
    """A generator in which every parameter shows."""
    torch.manual_seed(seed)
    net = Generator(size, style_dim, n_mlp, channels, z_dim).to(dtype)
    with torch.no_grad():
        for name, value in net.named_parameters():
            if name.endswith("bias"):
                value.add_(torch.randn_like(value) * 0.3)
            if name.endswith("noise.weight"):
                value.normal_()
    net.update_w_mean()
    return net


def codes(net: Generator, batch: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, net.n_latent, net.style_dim, generator=generator).to(net.w_mean.dtype)


@pytest.mark.parametrize(
    "size,style_dim,z_dim,batch,seed",
    [(8, 6, None, 1, 0), (16, 5, 7, 4, 1), (32, 16, None, 3, 2), (64, 12, 9, 2, 3), (128, 8, None, 1, 4)],
)
@pytest.mark.parametrize("fused", [True, False])
def test_same_as_plain_formulation(size, style_dim, z_dim, batch, seed, fused):
    net = make(size, style_dim, 3, NARROW, z_dim, seed)
    net.fused = fused
    plain = PlainGenerator(net.state_dict())
    z = torch.randn(batch, net.z_dim)
    torch.testing.assert_close(net.mapping(z), plain.mapping(z))
    w_plus, other = (codes(net, batch, seed).requires_grad_() for _ in range(2))
    image = net.synthesis(w_plus)
    expected = plain.synthesis(other)
    assert tuple(image.shape) == (batch, 3, size, size)
    torch.testing.assert_close(image, expected, atol=2e-5, rtol=1e-4)

    target = torch.randn_like(image)
    (image * target).mean().backward()
    (expected * target).mean().backward()
    torch.testing.assert_close(w_plus.grad, other.grad, atol=1e-6, rtol=1e-3)
    for name, value in net.named_parameters():
        if not name.startswith("style."):
            torch.testing.assert_close(value.grad, plain.weights[name].grad, atol=2e-5, rtol=1e-3, msg=name)


def test_frozen_weights_get_no_gradients():
    net = make(64)
    w_plus = codes(net, 2).requires_grad_()
    net.synthesis(w_plus).square().mean().backward()
    trained = w_plus.grad.clone()
    w_plus.grad = None
    net.zero_grad()
    net.requires_grad_(False)
    asked = []
    original = torch.ops.aten.convolution_backward

    class StageTimer(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function.overloadpacket is original:
                asked.append(args[-1])
            return function(*args, **(kwargs or {}))

    with StageTimer():
        net.synthesis(w_plus).square().mean().backward()
    torch.testing.assert_close(w_plus.grad, trained)
    assert all(value.grad is None for value in net.parameters())
    assert len(asked) >= 9 and all(list(mask) == [True, False, False] for mask in asked)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("clamp", [None, 1.5])
def test_gradcheck(batch, clamp):
    """Against finite differences, in double precision: latent, feature and weights."""
    net = make(16, 4, 1, {4: 3, 8: 4, 16: 2}, dtype=torch.float64)
    for layer in net.modules():
        if hasattr(layer, "clamp"):
            layer.clamp = clamp
    weight = net.convs[0].conv.weight
    strength = net.convs[1].noise.weight
    styles = [s.detach().requires_grad_() for s in net.styles(codes(net, batch))]

    def image(weight_, strength_, const, *styles_):
        swap = {"convs.0.conv.weight": weight_, "convs.1.noise.weight": strength_, "input.input": const}
        return torch.func.functional_call(Wrapper(net), {f"net.{k}": v for k, v in swap.items()}, (styles_,))

    assert torch.autograd.gradcheck(
        image, (weight, strength, net.input.input, *styles), eps=1e-6, atol=1e-5, fast_mode=True
    )


class Wrapper(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, styles):
        return self.net.synthesis_from_styles(list(styles))


def test_second_derivatives_without_fusing():
    net = make(16, 4, 1, {4: 3, 8: 4, 16: 2})
    net.fused = False
    w_plus = codes(net, 2).requires_grad_()
    (slope,) = torch.autograd.grad(net.synthesis(w_plus).square().sum(), w_plus, create_graph=True)
    slope.square().sum().backward()
    assert net.convs[0].conv.weight.grad.abs().max() > 0


@pytest.mark.parametrize("resolution", [4, 8, 32, 64])
def test_stop_at_a_resolution_is_the_partial_sum(resolution):
    net = make(64).requires_grad_(False)
    w_plus = codes(net, 2)
    images, _ = PlainGenerator(net.state_dict()).partial_images(w_plus)
    calls = []
    hooks = [
        layer.register_forward_hook(lambda *a: calls.append(a[2][0].shape[-1])) for layer in [net.conv1, *net.convs]
    ]
    image = net.synthesis(w_plus, resolution=resolution)
    [hook.remove() for hook in hooks]
    torch.testing.assert_close(image, images[[4, 8, 16, 32, 64].index(resolution)], atol=2e-5, rtol=1e-4)
    assert max(calls) == resolution  # nothing above was computed


def test_small_pictures_are_reduced_whole_ones():
    """Blocks above a resolution add to the picture at that resolution, too."""
    net = make(64).requires_grad_(False)
    w_plus = codes(net, 2)
    whole = net.synthesis(w_plus)
    torch.testing.assert_close(net.synthesis(w_plus, side=16), bicubic_downsample(whole, 4))
    torch.testing.assert_close(net.synthesis(w_plus, side=64), whole)
    assert not torch.allclose(net.synthesis(w_plus, side=16), net.synthesis(w_plus, resolution=16), atol=0.1)
    with pytest.raises(ValueError, match="resolution"):
        net.synthesis(w_plus, resolution=48)


def test_feature_semantics():
    net = make(128).requires_grad_(False)
    w_plus = codes(net, 2)
    images, features = PlainGenerator(net.state_dict()).partial_images(w_plus)
    feature = net.features(w_plus)
    torch.testing.assert_close(feature, features[3], atol=2e-5, rtol=1e-4)
    image = net.synthesis(w_plus, feature=feature)
    # the RGB of resolutions 4 to 32 is left out, up-sampled: what is added above it is all there
    lower = images[3]
    for _ in range(2):
        from benchmarks.plain_stylegan2 import FILTER, upfirdn

        lower = upfirdn(lower, FILTER * 4, 2, 2, 1)
    torch.testing.assert_close(image + lower, images[-1], atol=2e-5, rtol=1e-4)

    changed = w_plus.clone()
    changed[:, : net.feature_index] += 1  # rows below are not used
    torch.testing.assert_close(net.synthesis(changed, feature=feature), image)
    changed = w_plus.clone()
    changed[:, net.feature_index] += 1
    assert not torch.allclose(net.synthesis(changed, feature=feature), image, atol=1e-3)
    assert net.synthesis(w_plus, feature=feature, resolution=64).shape[-1] == 64
    with pytest.raises(ValueError, match="resolution"):
        net.synthesis(w_plus, feature=feature, resolution=32)


@pytest.mark.parametrize("at", [4, 16, 64])
def test_going_on_from_a_stored_state(at):
    net = make(64).requires_grad_(False)
    styles = net.styles(codes(net, 2))
    state = net.state(styles, at)
    assert isinstance(state, BlockState) and state.resolution == at
    whole = net.synthesis_from_styles(styles)
    torch.testing.assert_close(net.synthesis_from_styles(styles, start=state), whole)


def test_noise():
    net = make(32).requires_grad_(False)
    w_plus = codes(net, 2)
    registered = [getattr(net.noises, f"noise_{i}") for i in range(net.n_latent - 1)]
    torch.testing.assert_close(net.synthesis(w_plus, noise=registered), net.synthesis(w_plus))
    silent = net.synthesis(w_plus, noise=[torch.zeros_like(n) for n in registered])
    torch.testing.assert_close(net.synthesis(w_plus, noise="none"), silent)
    first, second = net.synthesis(w_plus[:1].repeat(2, 1, 1), noise="random")
    assert (first - second).abs().max() > 0.01  # a draw per sample
    noise = [n.clone().requires_grad_() for n in registered]
    net.synthesis(w_plus, noise=noise).square().mean().backward()
    assert all(n.grad.abs().max() > 0 for n in noise)
    with pytest.raises(ValueError, match="noise"):
        net.synthesis(w_plus, noise="loud")


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("batch", [1, 4])
def test_half_precision_training(fused, batch):
    """Under autocast the pictures are bfloat16, parameters and their gradients stay float32."""
    net = make(64)
    net.fused = fused
    names, values = zip(*net.named_parameters())
    w_plus = codes(net, batch)
    target = torch.randn(batch, 3, 64, 64)

    def loss(image):
        return (image.float() - target).square().mean()

    exact = net.synthesis(w_plus)
    wanted = torch.autograd.grad(loss(exact), values, allow_unused=True)
    with torch.autocast("cpu", torch.bfloat16):
        image = net.synthesis(w_plus)
        assert net.features(w_plus).dtype == torch.bfloat16
    found = torch.autograd.grad(loss(image), values, allow_unused=True)
    assert (image - exact).abs().mean() < 0.02 * exact.abs().mean()
    for name, a, b in zip(names, found, wanted):
        if not name.startswith("style."):
            assert a.dtype == torch.float32
            if a.numel() > 1:
                assert torch.cosine_similarity(a.flatten(), b.flatten(), 0) > 0.97, name


def test_it_can_be_trained():
    """A few steps of Adam bring the image nearer to a target."""
    net = make(16, 8, 2, {4: 16, 8: 16, 16: 8})
    target = torch.tanh(torch.randn(4, 3, 16, 16))
    z = torch.randn(4, 8)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02, betas=(0.0, 0.99))
    losses = []
    for _ in range(60):
        loss = (net(z) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_frozen_weights_may_change():
    """What is remembered of a frozen weight is forgotten when it is loaded anew or moved."""
    net, other = make(16, seed=1).requires_grad_(False), make(16, seed=2).requires_grad_(False)
    w_plus = codes(net, 1)
    before = net.synthesis(w_plus)
    assert (before - other.synthesis(w_plus)).abs().max() > 0.1
    net.load_state_dict(other.state_dict())
    torch.testing.assert_close(net.synthesis(w_plus), other.synthesis(w_plus))
    double = copy.deepcopy(net).double()
    torch.testing.assert_close(double.synthesis(w_plus.double()).float(), net.synthesis(w_plus), atol=1e-5, rtol=1e-4)


def test_inference_mode_leaves_gradients_possible():
    net = make(16).requires_grad_(False)
    w_plus = codes(net, 1)
    with torch.inference_mode():
        image = net.synthesis(w_plus)
    w_plus.requires_grad_()
    again = net.synthesis(w_plus)
    again.square().mean().backward()
    torch.testing.assert_close(again.detach(), image.clone())


@pytest.mark.slow
def test_speed_benchmark_runs():
    """Its whole way at a small size: both agree, and the figures are there."""
    from benchmarks.bench_generator import compare, table

    found = compare(size=64, steps=1, rounds=1, threads=1)
    assert found["image_difference"] < 1e-4 and found["gradient_cosine"] > 0.9999
    assert "faster" in table(found)


# Layouts


def to_nvidia(state: dict) -> dict:
    """rosinality's names -> NVIDIA's, as the fixture's map says."""
    new = {}
    for name, value in state.items():
        part = name.split(".")
        if part[0] == "style":
            new[f"mapping.fc{int(part[1]) - 1}.{part[2]}"] = value
        elif name == "input.input":
            new["synthesis.b4.const"] = value[0]
        elif part[0] == "noises":
            j = int(part[1].split("_")[1])
            layer = "b4.conv1" if j == 0 else f"b{8 * 2 ** ((j - 1) // 2)}.conv{(j - 1) % 2}"
            new[f"synthesis.{layer}.noise_const"] = value[0, 0]
        elif "kernel" not in name:
            head, rest = (part[0], part[1:]) if part[0] in ("conv1", "to_rgb1") else (part[0], part[2:])
            k = -1 if head in ("conv1", "to_rgb1") else int(part[1]) // (2 if head == "convs" else 1)
            layer = "torgb" if "rgb" in head else "conv1" if head == "conv1" else f"conv{int(part[1]) % 2}"
            suffix, shape = {
                "conv.weight": ("weight", value.shape[1:]),
                "conv.modulation.weight": ("affine.weight", None),
                "conv.modulation.bias": ("affine.bias", None),
                "noise.weight": ("noise_strength", ()),
                "activate.bias": ("bias", None),
                "bias": ("bias", (3,)),
            }[".".join(rest)]
            value = value if shape is None else value.reshape(shape)
            new[f"synthesis.b{4 * 2 ** (k + 1)}.{layer}.{suffix}"] = value
    return new


LAYOUTS = {
    "g_ema": lambda net: net.checkpoint(),
    "full": lambda net: {
        "g": {k: v + 1 for k, v in net.state_dict().items()},
        "d": {"x": torch.ones(2)},
        "g_ema": net.state_dict(),
        "latent_avg": net.w_mean,
    },
    "bare": lambda net: net.state_dict(),
    "bare with mean": lambda net: {**net.state_dict(), "latent_avg": net.w_mean},
    "no noise": lambda net: {k: v for k, v in net.state_dict().items() if not k.startswith("noises.")},
    "no filters": lambda net: {k: v for k, v in net.state_dict().items() if "kernel" not in k},
    "encoder": lambda net: {
        "state_dict": {
            **{f"decoder.{k}": v for k, v in net.state_dict().items()},
            "encoder.input_layer.0.weight": torch.ones(3),
        },
        "latent_avg": net.w_mean.repeat(net.n_latent, 1),
    },
    "nvidia": lambda net: {**to_nvidia(net.state_dict()), "mapping.w_avg": net.w_mean},
    "half": lambda net: {k: v.half() for k, v in net.state_dict().items()},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size,z_dim", [(16, 5), (128, None)])
def test_layouts(layout, size, z_dim, tmp_path):
    net = make(size, 12, 3, NARROW, z_dim, seed=size)
    torch.save(LAYOUTS[layout](net), tmp_path / "net.pt")
    again = networks.load("stylegan2", tmp_path / "net.pt")
    assert (again.size, again.style_dim, again.z_dim, again.n_latent) == (size, 12, z_dim or 12, net.n_latent)
    assert again.channels == {r: c for r, c in NARROW.items() if r <= size}
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    loose = {"atol": 2e-2, "rtol": 1e-2} if layout == "half" else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(again.w_mean, net.w_mean, **loose)  # stored, or the same 10,000 samples
    w_plus, noise = codes(net, 2), "none" if layout == "no noise" else None
    expected = net.synthesis(w_plus, noise=noise)
    torch.testing.assert_close(again.synthesis(w_plus, noise=noise), expected, **loose)


def test_state_dict_is_the_published_layout():
    """Names and shapes of rosinality's 256 px file, in its order."""
    from fixture import Fixture

    fixture = Fixture("stylegan2_rosinality_256")
    with torch.device("meta"):
        net = Generator(256, 512, 8, {r: min(512, 32768 // r) for r in (4, 8, 16, 32, 64, 128, 256)})
    state = fixture.checkpoint()["g_ema"]
    assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in state.items()}


def test_safetensors(tmp_path):
    from safetensors.torch import save_file

    net = make(32)
    state = {k: v.half().contiguous() for k, v in net.state_dict().items()}
    save_file({**state, "latent_avg": net.w_mean}, tmp_path / "net.safetensors")
    again = networks.load("stylegan2", str(tmp_path / "net.safetensors"))
    read, written = again.convs[0].conv.weight, net.convs[0].conv.weight.detach()
    torch.testing.assert_close(read, written, atol=3e-3, rtol=1e-2)
    assert read.dtype == torch.float32
    torch.testing.assert_close(again.w_mean, net.w_mean)


def without(state, *names):
    return {k: v for k, v in state.items() if k not in names}


@pytest.mark.parametrize(
    "damage,message",
    [
        (lambda s: without(s, "convs.1.conv.weight", "conv1.activate.bias"), "'conv1.activate.bias', 'convs"),
        (lambda s: without(s, "style.1.weight"), "'style.1.weight'"),
        (lambda s: without(s, "input.input"), "'input.input' is missing"),
        (lambda s: {**s, "convs.0.conv.weight": s["convs.0.conv.weight"][:, :, :-1]}, "has the shape"),
        (lambda s: {**s, "convs.0.conv.blur.kernel": torch.ones(4, 4)}, "filter"),
        (lambda s: {**s, "encoder.weight": torch.ones(1)}, "'encoder.weight' unknown"),
        (lambda s: {"g_ema": s, "latent_avg": torch.zeros(7)}, "mean latent"),
        (lambda s: {**to_nvidia(s), "mapping.embed.weight": torch.ones(1)}, "class-conditional"),
        (lambda s: {"conv1.weight": torch.ones(3), "layer1.0.conv1.weight": torch.ones(3)}, "conv1.weight"),
        (lambda s: {"epoch": 3}, "no weights"),
        (lambda s: [1, 2, 3], "no weights"),
    ],
)
def test_wrong_weights_are_named(damage, message):
    state = make(16, 6, 2).state_dict()
    with pytest.raises(WeightCorrupt, match=message) as caught:
        networks.load("stylegan2", damage(state))
    assert len(str(caught.value)) < 400


def test_unknown_kind():
    with pytest.raises(BadRequest, match="stylegan9"):
        networks.load("stylegan9", {})


def test_size_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="power of two"):
        Generator(96, 8, 2, NARROW)
