"""LPIPS, masked LPIPS and style against the published code's outputs and the lpips package; the
P-norm prior and clamped Adam of the same fixture."""

import hashlib

import lpips
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conformance import weights
from fixture import Fixture, picture, stats
from PIL import Image

from barbershop_core.errors import WeightCorrupt
from barbershop_core.inversion import prior
from barbershop_core.networks import perceptual, vgg
from barbershop_core.networks.perceptual import Perceptual
from barbershop_core.networks.resample import bicubic_downsample
from barbershop_core.networks.vgg import VGG16Features
from barbershop_core.weights import lpips_heads


def blob(name: str, size: int, share: float) -> torch.Tensor:
    return torch.from_numpy(weights.blob_mask(name, size, size, 1, share))[None, None].float()


@pytest.fixture(scope="module")
def published():
    fixture = Fixture("losses")
    heads = weights.state_dict(fixture.path, 1, "extra")
    assert weights.checksum(heads) == fixture.spec["lin_sha256"]
    # timm's file has the same convolutions beside a classifier; the heads may lie there, too
    state = fixture.checkpoint() | heads | {"head.fc.weight": torch.ones(1)}
    return fixture, perceptual.from_state(state)


@pytest.fixture(scope="module")
def images():
    return [picture(f"input:{n}", 256) for n in ("gen", "ref", "ref3")]


def test_lpips(published, images):
    fixture, net = published
    gen, ref, _ = images
    with torch.no_grad():
        fixture.check("lpips", net.lpips(gen, ref))
        fixture.check("lpips", net.lpips(gen, net.reference(ref)))
        fixture.check("lpips_per_block", net.lpips_per_block(gen, ref))
        fixture.check("vgg_tap_stats", stats(net.features(gen)))
        mask = blob("input:mask_face", 256, 0.4)
        fixture.check("masked_lpips_face", net.lpips(gen, ref, mask))
        fixture.check("masked_lpips_per_block", net.lpips_per_block(gen, ref, mask, blocks=5))


def test_blending_loss_and_its_gradient(published, images):
    fixture, net = published
    gen, ref, ref3 = (x.clone() for x in images)
    face, hair = blob("input:mask_face", 256, 0.4), blob("input:mask_hair", 256, 0.25)
    targets = net.reference(ref, face), net.reference(ref3, hair)
    gen.requires_grad_(True)
    losses = [net.lpips(gen, t) for t in targets]
    fixture.check("blend_face", losses[0])
    fixture.check("blend_hair", losses[1])
    fixture.check("blend_loss", losses[0] + losses[1])
    (losses[0] + losses[1]).sum().backward()
    fixture.check_gradient("grad_blend", gen.grad, 8, "grad_blend_norm")


def test_style_and_its_gradient(published, images):
    fixture, net = published
    gen, ref, _ = (x.clone() for x in images)
    face, hair = blob("input:mask_face", 256, 0.4), blob("input:mask_hair", 256, 0.25)
    gen.requires_grad_(True)
    loss = net.style_loss(gen, ref, face, hair)
    fixture.check("style_loss_raw", loss)
    fixture.check("style_loss", loss * fixture.spec["constants"]["style_lambda"])
    torch.testing.assert_close(loss, net.style_loss(gen, net.style_reference(ref * hair, hair), face))
    # the published reference multiplies the image before the call, and takes the gradient behind it
    loss.backward()
    fixture.check_gradient("grad_style", gen.grad, 8, "grad_style_norm")
    with torch.no_grad():
        fixture.check("style_act_stats", stats(net.vgg(gen * face, 4)))
        a, b = (picture(f"input:style512{n}", 512) for n in "ab")
        fixture.check("style_no_mask_512", net.style_loss(a, b))


def test_embedding_loss(published):
    fixture, net = published
    gen, ref = picture("input:emb_gen", 512), picture("input:emb_ref", 512)
    large = Image.fromarray(weights.smooth_image("input:emb_ref", 512, 512, 1))
    small = np.asarray(large.resize((256, 256), Image.LANCZOS))
    assert np.array_equal(small[::4, ::4], fixture.io["emb_ref_L_u8"])
    ref_small = torch.from_numpy(small.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    l2 = F.mse_loss(gen, ref)
    with torch.no_grad():
        percep = net.lpips(bicubic_downsample(gen, 2), ref_small)
    fixture.check("embed_l2", l2)
    fixture.check("embed_percep", percep)
    fixture.check("embed_loss", l2 + percep)


@pytest.fixture(scope="module")
def package():
    """The lpips package with random convolutions of seed 0 and its own heads."""
    torch.manual_seed(0)
    return lpips.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval().requires_grad_(False)


def test_equals_the_lpips_package(package):
    """Same random convolutions, the package's own heads, another size, batch > 1, and gradients."""
    convolutions = {"features." + k.split(".", 1)[1]: v for k, v in package.net.state_dict().items()}
    net = perceptual.from_state(convolutions, lpips_heads.read_published)  # no heads beside them
    a, b = torch.rand(2, 3, 72, 88) * 2 - 1, torch.rand(2, 3, 72, 88) * 2 - 1
    theirs, per_layer = package(a, b, retPerLayer=True)
    torch.testing.assert_close(net.lpips(a, b), theirs.flatten(), rtol=1e-4, atol=1e-6)
    blocks = torch.stack([p.flatten() for p in per_layer], 1)
    torch.testing.assert_close(net.lpips_per_block(a, b), blocks, rtol=1e-4, atol=1e-6)
    gradients = []
    for measure in (net.lpips, package):
        x = a.clone().requires_grad_(True)
        measure(x, b).sum().backward()
        gradients.append(x.grad)
    assert F.cosine_similarity(gradients[0].flatten(), gradients[1].flatten(), 0) > 0.9999


def narrow(widths=(4, 6, 8, 8, 8)):
    torch.manual_seed(1)
    net = VGG16Features(widths)
    for p in net.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return Perceptual(net).eval().requires_grad_(False)


def test_narrow_nets_come_back_from_their_weights():
    net = narrow()
    again = vgg.from_state(net.vgg.state_dict())
    x = torch.randn(2, 3, 40, 33)
    assert again.widths == net.vgg.widths
    assert all(torch.equal(p, q) for p, q in zip(net.vgg(x), again(x)))
    assert len(again(x, 3)) == 3
    heads = {f"lin{k}.model.1.weight": torch.rand(1, w, 1, 1) for k, w in enumerate(net.vgg.widths)}
    weighted = perceptual.from_state(net.vgg.state_dict() | heads)
    y = torch.randn(2, 3, 40, 33)
    assert torch.equal(weighted.head2, heads["lin2.model.1.weight"])
    flat = {f"heads.{k}": v.flatten() for k, v in enumerate(heads.values())}
    assert torch.equal(perceptual.from_state(net.vgg.state_dict() | flat).head4, weighted.head4)
    # uniform heads: a fifth of the squared distance of unit features each
    expected = sum(
        ((F.normalize(p, dim=1) - F.normalize(q, dim=1)).square().sum(1)).mean((1, 2)) / 5
        for p, q in zip(net.features(x), net.features(y))
    )
    torch.testing.assert_close(net.lpips(x, y), expected, rtol=1e-4, atol=1e-6)


def test_distances_behave():
    net = narrow()
    a, b = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 10:40, 8:50] = 1
    for distance in (net.lpips, net.style_loss):
        assert distance(a, a).abs().max() < 1e-10 and (distance(a, b) > 0).all()
        torch.testing.assert_close(distance(a, b), distance(b, a))
        torch.testing.assert_close(distance(a, b)[1:], distance(a[1:], b[1:]), rtol=1e-3, atol=1e-12)
    # a full mask is no mask; an empty one has no distance; another one changes it
    full = net.lpips_per_block(a, b, torch.ones(1, 1, 64, 64), blocks=5)
    torch.testing.assert_close(full, net.lpips_per_block(a, b))
    assert (net.lpips(a, b, torch.zeros(1, 1, 64, 64)) == 0).all()
    inside = net.lpips(a, b, mask)
    assert (inside != net.lpips(a, b, 1 - mask)).all()
    torch.testing.assert_close(inside, net.lpips(a, net.reference(b, mask)))
    torch.testing.assert_close(inside, net.lpips(a, net.reference(b, blocks=3), mask))
    # a mask per sample
    both = net.lpips(a, b, torch.cat([mask, 1 - mask]))
    torch.testing.assert_close(both, torch.stack([inside[0], net.lpips(a, b, 1 - mask)[1]]))
    # where style masks exclude everything that differs, no difference is left
    c = a + (1 - mask) * torch.randn_like(a)
    assert net.style_loss(a, c, mask, mask).abs().max() < 1e-12


def test_gradients_are_finite_and_go_to_the_right_place():
    net = narrow()
    for p in net.vgg.parameters():  # without biases this image has no activation
        if p.dim() == 1:
            p.data.zero_()
    grey = net.shift.expand(1, 3, 32, 32).clone().requires_grad_(True)
    b = torch.rand(1, 3, 32, 32, requires_grad=True)
    (net.lpips(grey, b.detach()) + net.style_loss(grey, b.detach())).sum().backward()
    assert grey.grad.isfinite().all()
    a = torch.rand(1, 3, 32, 32)
    net.lpips(a, b).sum().backward()
    assert b.grad.abs().sum() > 0
    assert not net.reference(b).units[0].requires_grad and not net.style_reference(b).grams[0].requires_grad
    with torch.no_grad():
        assert net.lpips(a, b).shape == (1,)


def test_gradcheck():
    """Against finite differences, in double precision; random weights keep it off the kinks."""
    net = narrow((2, 2, 2, 2, 2)).double()
    a = torch.rand(1, 3, 16, 16, dtype=torch.double)
    b = torch.rand(1, 3, 16, 16, dtype=torch.double)
    target = net.reference(b, torch.ones(1, 1, 16, 16).double())

    def loss(corner):
        x = a.clone()
        x[..., :2, :2] = corner
        return net.lpips(x, target)

    assert torch.autograd.gradcheck(loss, a[..., :2, :2].clone().requires_grad_(True), eps=1e-7, atol=1e-4)


def test_wrong_weights_are_named():
    state = VGG16Features((2, 2, 2, 2, 2)).state_dict()
    with pytest.raises(WeightCorrupt, match="features.28.weight"):
        vgg.from_state({k: v for k, v in state.items() if k != "features.28.weight"})
    with pytest.raises(WeightCorrupt, match="holds no weights"):
        vgg.from_state("weights")
    with pytest.raises(WeightCorrupt, match="shape"):  # vgg19's or any other's
        vgg.from_state(state | {"features.12.weight": torch.ones(3, 2, 3, 3)})


# prior and optimizer -----------------------------------------------------------------------------


def test_p_norm_of_the_published_statistics(shared_data):
    fixture = Fixture("losses")
    file = shared_data / "ffhq_PCA.npz"
    if hashlib.sha256(file.read_bytes()).hexdigest() != fixture.spec["pca"]["sha256"]:
        pytest.skip("../shared/data/ffhq_PCA.npz is another file")
    norm = prior.from_arrays(np.load(file))
    weight = fixture.spec["constants"]["p_norm_lambda"]
    w = torch.from_numpy(fixture.io["p_latent"]).requires_grad_(True)
    loss = weight * norm(w)
    fixture.check("p_norm_loss", loss)
    loss.backward()
    fixture.check_gradient("grad_p_norm", w.grad, 1)
    random = torch.from_numpy(weights.array("input:p_random", (1, 18, 512), 1))
    fixture.check("p_norm_loss_random", weight * norm(random))
    # a sample for itself
    both = norm(torch.cat([w, random]))
    torch.testing.assert_close(weight * both, torch.cat([loss, weight * norm(random)]), rtol=1e-4, atol=1e-7)


def test_p_norm_fitted_to_samples():
    torch.manual_seed(0)
    mixed = torch.randn(4000, 8) @ torch.randn(8, 8) + torch.randn(8)
    w = F.leaky_relu(mixed, 0.2)
    norm = prior.PNorm.fit(w)
    assert abs(norm(w).mean().item() - 1) < 1e-2  # whitened: unit variance
    covariance = torch.cov(norm.project(w).T)
    torch.testing.assert_close(covariance, torch.eye(8), rtol=0, atol=1e-2)
    torch.testing.assert_close(norm.unproject(norm.project(w)), w, rtol=1e-3, atol=1e-3)
    assert (norm.stdev.diff() <= 0).all()
    again = prior.from_arrays(norm.state_dict())
    assert torch.equal(again(w), norm(w))
    flat = prior.PNorm.fit(torch.randn(500, 1) * torch.ones(4))  # varies along one axis only
    assert flat(torch.randn(3, 2, 4)).isfinite().all()
    norm64 = norm.double()
    assert torch.autograd.gradcheck(norm64, torch.randn(2, 3, 8, dtype=torch.double, requires_grad=True))


def test_p_norm_refuses_what_does_not_fit():
    with pytest.raises(WeightCorrupt):
        prior.from_arrays({"X_mean": np.zeros(4)})
    with pytest.raises(WeightCorrupt):
        prior.PNorm(torch.zeros(4), torch.zeros(4, 5), torch.zeros(4))


def test_feature_drift():
    fixture = Fixture("losses")
    a, b = (torch.from_numpy(weights.array(f"input:F_{n}", (1, 512, 32, 32), 1)) for n in "ab")
    fixture.check("l_F", fixture.spec["constants"]["l_F_lambda"] * prior.feature_drift(a, b))
