"""The studio parser's training: labels follow pictures, the loss sees what the app sees, runs resume."""

from pathlib import Path

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
from barbershop_core.training import labelled_photos, train_parser
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


@pytest.mark.parametrize("side", [128, 192])
def test_labels_move_with_the_picture(side):
    """A picture that shows its own labels still does after the move."""
    y, x = np.mgrid[:side, :side] / side
    labels = np.where((x - 0.3) ** 2 + (y - 0.45) ** 2 < 0.04, LABEL["nose"], 0)
    labels = torch.from_numpy(np.where((x > 0.55) & (y > 0.5), LABEL["cloth"], labels)).to(torch.uint8)[None]
    image = labels[:, None].float().expand(-1, 3, -1, -1) / 18
    rng = torch.Generator().manual_seed(3)
    for _ in range(4):
        moved, drawn = train_parser.move(image, labels, 1.0, rng)
        shown = F.interpolate(moved, (128, 128), mode="bilinear", antialias=True)[:, 0] * 18
        known = drawn != labelled_photos.IGNORE
        assert 0.4 < known.float().mean()
        assert ((shown - drawn).abs()[known] < 1).float().mean() > 0.96


def test_a_mirrored_portrait_swaps_left_and_right():
    labels = torch.zeros(64, 128, 128, dtype=torch.uint8)
    labels[:, 40:60, 20:60], labels[:, 40:60, 70:110] = LABEL["l_eye"], LABEL["r_eye"]
    _, drawn = train_parser.move(torch.zeros(64, 3, 128, 128), labels, 0.0, torch.Generator().manual_seed(0))
    across = torch.arange(128.0)
    for one in drawn:
        left, right = ((one == LABEL[k]).float() for k in ("l_eye", "r_eye"))
        assert (left * across).sum() / left.sum() < 64 < (right * across).sum() / right.sum()


def test_the_loss_sees_what_the_app_sees():
    torch.manual_seed(0)
    net = BiSeNet(19, (16, 16, 16, 16), (1, 1, 1, 1)).eval()
    x = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        seen = train_parser.all_logits(net, x, (1, 2, 4))
        for logits, published, stride in zip(seen, net.forward_all(x), (1, 2, 4)):
            wanted = F.interpolate(published, (128, 128), mode="bilinear", align_corners=False)
            torch.testing.assert_close(logits, wanted[..., ::stride, ::stride], rtol=1e-4, atol=1e-4)


def test_a_hat_is_not_hair_where_only_hair_is_labelled():
    """By hand: the binary cross entropy of the softmax's hair, beyond the edge nothing."""
    torch.manual_seed(0)
    logits = torch.randn(2, 19, 4, 4)
    logits[1, LABEL["hat"]] = 5.0
    target = torch.zeros(2, 4, 4, dtype=torch.long)
    target[1, :2] = LABEL["hair"]
    target[1, :, 3] = labelled_photos.IGNORE
    weight = torch.ones(19)
    hair = logits[1].softmax(0)[LABEL["hair"], :, :3]
    wanted = -torch.cat([hair[:2].log().flatten(), (1 - hair[2:]).log().flatten()]).mean()
    parts = -logits[0].log_softmax(0)[0].mean()
    loss = train_parser.loss_of(logits, target, torch.tensor([False, True]), weight)
    torch.testing.assert_close(loss, parts + 0.6 * wanted)


def test_training_on_renders_alone_resumes_where_it_ended(tmp_path):
    rng = np.random.default_rng(0)
    for stem in ("000000", "900000"):
        labels = np.zeros((6, 128, 128), np.uint8)
        labels[:, 30:90, 40:90] = LABEL["hair"]
        images = np.where(labels[..., None] > 0, [90, 50, 30], [180, 200, 220])
        images = images + rng.integers(0, 20, images.shape)
        np.savez(tmp_path / f"{stem}.npz", images=images.astype(np.uint8), labels=labels)
    schedule = train_parser.Schedule(minutes=0.03, share_half=1.0, batch=(2, 0, 0))
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
    assert isinstance(parser, Parser) and PACKED.stat().st_size < 2_000_000
    drawn = [render.render(p, 128) for p in params.sample(8, 987_654)]
    images, labels = np.stack([d.image for d in drawn]), np.stack([d.labels for d in drawn])
    each = train_parser._region_ious(parser, images, labels)
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
