"""The studio parser's training: labels follow pictures, the loss sees what the app sees, runs resume."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from barbershop_core.editing.regions import Parser, parse, region_index
from barbershop_core.networks import bisenet
from barbershop_core.networks.bisenet import BiSeNet
from barbershop_core.pack import open_pack
from barbershop_core.photo.pixels import from_uint8
from barbershop_core.progress import run
from barbershop_core.training import labelled_photos, parser_batches, parser_scores, train_parser
from barbershop_core.training.widen import widen
from barbershop_core.weights.save import save_half
from barbershop_core.world import params, render
from barbershop_core.world.shading import LABEL

PACKED = Path(__file__).parents[1] / "assets" / "packs" / "studio" / "parser.safetensors"


def test_speckles_are_ignored_and_real_parts_kept():
    labels = np.zeros((192, 192), np.uint8)
    labels[40:120, 50:130] = LABEL["hair"]
    labels[150:153, 10:13] = LABEL["hair"]
    labels[70:74, 80:90] = LABEL["l_brow"]
    labels[100, 100] = LABEL["nose"]
    cleaned = labelled_photos.clean(labels)
    assert (cleaned[150:153, 10:13] == labelled_photos.IGNORE).all()
    assert cleaned[100, 100] == labelled_photos.IGNORE
    assert (cleaned == labelled_photos.IGNORE).sum() == 10
    assert (cleaned[70:74, 80:90] == LABEL["l_brow"]).all()


def test_masks_of_lfw_are_not_trusted_at_their_edges_nor_in_beards():
    labels = np.zeros((256, 256), np.uint8)
    labels[40:90, 60:200] = LABEL["hair"]
    labels[170:190, 110:146] = LABEL["hair"]  # a beard
    trusted = labelled_photos.doubted(labels)
    assert (trusted[172:188, 112:144] == labelled_photos.IGNORE).all()
    assert (trusted[46:84, 66:194] == LABEL["hair"]).all()
    assert (trusted[88:92, 60:200] == labelled_photos.IGNORE).all()
    assert (trusted[110:160, 90:170] == 0).all() and (trusted[:30] == 0).all()


@pytest.mark.parametrize("kind", parser_batches.KINDS)
@pytest.mark.parametrize("side", [128, 256])
def test_labels_move_with_the_picture(kind, side):
    """A picture that shows its own labels still does after the move."""
    y, x = np.mgrid[:side, :side] / side
    labels = np.where((x - 0.3) ** 2 + (y - 0.45) ** 2 < 0.04, LABEL["nose"], 0)
    labels = np.where((x > 0.55) & (y > 0.5), LABEL["cloth"], labels).astype(np.uint8)
    image, rng = (labels * 13)[..., None].repeat(3, 2), np.random.default_rng(3)
    for _ in range(6):
        matrix, _ = parser_batches.random_move(parser_batches.KINDS[kind], rng)
        moved = parser_batches.warp(image, matrix, 200, rng)
        shown = cv2.resize(moved, (128, 128), interpolation=cv2.INTER_AREA)[..., 0] / 13
        drawn = parser_batches.warp_labels(labels, matrix)
        known = drawn != labelled_photos.IGNORE
        assert 0.25 < known.mean()
        assert (np.abs(shown - drawn)[known] < 1).mean() > 0.94


def test_a_mirrored_portrait_swaps_left_and_right():
    labels = np.zeros((128, 128), np.uint8)
    labels[40:60, 20:60], labels[40:60, 70:110] = LABEL["l_eye"], LABEL["r_eye"]
    still, rng = parser_batches.Moves((1.0, 1.0), turn=0.0, shift=0.0, stretch=0.0), np.random.default_rng(0)
    across, mirrored = np.arange(128.0), 0
    for _ in range(16):
        image, drawn = parser_batches.augment(labels[..., None].repeat(3, 2), labels, still, 256, rng)
        assert image.shape == (256, 256, 3) and drawn.shape == (128, 128)
        left, right = ((drawn == LABEL[k]).astype(float) for k in ("l_eye", "r_eye"))
        assert (left * across).sum() / left.sum() < 64 < (right * across).sum() / right.sum()
        mirrored += drawn[50, 19] != 0  # only the mirrored one reaches there
    assert 0 < mirrored < 16


def test_pictures_change_and_their_sizes_do_not():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (128, 128, 3), np.uint8)
    labels = np.zeros((128, 128), np.uint8)
    labels[20:60] = LABEL["hair"]
    for change in (parser_batches.recolour, parser_batches.degrade):
        changed = [change(image, rng) for _ in range(12)]
        assert all(c.shape == image.shape and c.dtype == np.uint8 for c in changed)
        assert any((c != image).any() for c in changed)
    dyed = parser_batches.other_hair(image, labels, rng, share=1.0)
    assert (dyed[30:50] != image[30:50]).mean() > 0.5 and np.abs(dyed[80:].astype(int) - image[80:]).max() <= 1


@pytest.mark.parametrize("blocks", [(1, 1, 1, 1), (2, 1, 1, 3)])
def test_a_widened_parser_computes_the_same(blocks):
    torch.manual_seed(0)
    narrow = BiSeNet(19, (4, 8, 8, 16), (1, 1, 1, 1)).eval()
    for name, value in narrow.state_dict().items():
        if "running" in name or "bn" in name and value.dim() == 1:
            value.copy_(value + 0.3 * torch.rand_like(value.float()))
    wider = widen(narrow, BiSeNet(19, (8, 16, 16, 48), blocks), noise=0.0).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for ours, right in zip(wider.forward_all(x), narrow.forward_all(x)):
            torch.testing.assert_close(ours, right, rtol=1e-3, atol=1e-3)
    with pytest.raises(ValueError, match="multiple"):
        widen(narrow, BiSeNet(19, (6, 16, 16, 48), blocks))


def test_the_loss_sees_what_the_app_sees():
    torch.manual_seed(0)
    net = BiSeNet(19, (16, 16, 16, 16), (1, 1, 1, 1)).eval()
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        seen = train_parser.all_logits(net, x, (1, 2, 4))
        for logits, published, stride in zip(seen, net.forward_all(x), (1, 2, 4)):
            wanted = F.interpolate(published, (128, 128), mode="bilinear", align_corners=False)
            torch.testing.assert_close(logits, wanted[..., ::stride, ::stride], rtol=1e-4, atol=1e-4)


def hair_example() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits and target of a labelled picture and of one where only hair is labelled; its hair's odds
    against the likeliest other class, as a probability, where that is known."""
    torch.manual_seed(0)
    logits = torch.randn(2, 19, 4, 4)
    logits[1, LABEL["hat"]] = 5.0
    target = torch.zeros(2, 4, 4, dtype=torch.long)
    target[1, :2] = LABEL["hair"]
    target[1, :, 3] = labelled_photos.IGNORE
    others = torch.cat([logits[1, : LABEL["hair"]], logits[1, LABEL["hair"] + 1 :]]).amax(0)
    return logits, target, (logits[1, LABEL["hair"]] - others).sigmoid()[:, :3]


@pytest.mark.parametrize("kind", parser_batches.HAIR_ONLY)
def test_a_hat_is_not_hair_where_only_hair_is_labelled(kind):
    """By hand: (generalised) cross entropy and soft IoU of hair, beyond the edge nothing."""
    logits, target, hair = hair_example()
    right = torch.cat([hair[:2].flatten(), (1 - hair[2:]).flatten()])
    each = -right.log() if kind == "figaro" else 2 - 2 * right.sqrt()
    overlap = (hair[:2].sum() + 1) / (6 + hair[2:].sum() + 1)
    parts = -logits[0].log_softmax(0)[0].mean()
    loss = train_parser.loss_of(logits, target, ["renders", kind], torch.ones(19))
    torch.testing.assert_close(loss, parts + 0.6 * each.mean() + 0.4 * (1 - overlap))


def test_training_on_renders_alone_resumes_where_it_ended(tmp_path):
    rng = np.random.default_rng(0)
    for stem in ("000000", "900000"):
        labels = np.zeros((6, 128, 128), np.uint8)
        labels[:, 30:90, 40:90] = LABEL["hair"]
        images = np.where(labels[..., None] > 0, [90, 50, 30], [180, 200, 220])
        images = images + rng.integers(0, 20, images.shape)
        np.savez(tmp_path / f"{stem}.npz", images=images.astype(np.uint8), labels=labels)
    schedule = train_parser.Schedule(minutes=0.03, share_half=1.0, batch_half=(2, 0, 0, 0))
    steps = []
    parser = run(train_parser.train(tmp_path, None, tmp_path / "parser.pt", schedule), steps.append)
    assert "renders alone" in steps[0].notice
    assert {"renders", "renders hair", "renders background"} == set(steps[-1].losses)
    again = run(train_parser.train(tmp_path, None, tmp_path / "parser.pt", schedule))
    for a, b in zip(parser.net.state_dict().values(), again.net.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    save_half(parser.net.state_dict(), tmp_path / "parser.safetensors")
    written = bisenet.from_state(load_file(tmp_path / "parser.safetensors"))
    assert written.widths == train_parser.WIDTHS


@pytest.mark.skipif(not PACKED.exists(), reason="the studio pack is not trained yet")
def test_the_embedded_parser_knows_renders_it_never_saw():
    parser = open_pack("studio").parser
    assert isinstance(parser, Parser) and PACKED.stat().st_size < 8_000_000
    drawn = [render.render(p, 128) for p in params.sample(8, 987_654)]
    images, labels = np.stack([d.image for d in drawn]), np.stack([d.labels for d in drawn])
    each = parser_scores._region_ious(parser, images, labels)
    assert np.mean([v for k, v in each.items() if k != "glasses"]) > 0.8
    assert each["hair"] > 0.9 and each["skin"] > 0.9


@pytest.mark.skipif(not PACKED.exists(), reason="the studio pack is not trained yet")
def test_the_embedded_parser_finds_hair_in_photos(shared_data):
    parser, inter, union = open_pack("studio").parser, 0, 0
    for image, mask in list(labelled_photos.hair_pairs(shared_data, True).values())[::13]:
        labels = parse(parser, from_uint8(np.array(image)[None]))[0].numpy()
        found = labels == region_index("hair")
        inter, union = inter + (found & mask).sum(), union + (found | mask).sum()
    assert inter / union > 0.6
