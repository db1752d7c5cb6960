"""Train the studio CLIP: ``python -m barbershop_core.training.studio_pack --only clip --out P``.

Contrastive, as in Radford et al. 2021, with two differences that a closed world allows: captions are
written anew for every batch from the portraits' parameters, and the targets are not the diagonal but how
true each caption is of each portrait.  A linear head that predicts the parameters from the image features
gives the image encoder a second loss and is discarded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.clip import Clip, build
from ..photo.pixels import from_uint8
from ..progress import Steps
from ..world import captions, params
from ..world.claims import claims
from . import pool, timebox
from .augment import degrade

EMBEDDING = 128
VISION = {"layers": (1, 2, 2, 1), "width": 16, "patch_size": None, "image_size": 96}
TEXT = {"context_length": 48, "vocab_size": 8192, "width": 128, "heads": 2, "layers": 3}
EXTRA = 32
"""Short captions in a batch that belong to no picture of it."""


class WithHead(nn.Module):
    """CLIP and the head that predicts parameters."""

    def __init__(self):
        super().__init__()
        self.clip = build(EMBEDDING, VISION, TEXT)
        self.head = nn.Linear(EMBEDDING, params.COUNT)

    def forward(self, image: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors of images [B,E] and texts [N,E], predicted parameters [B,P]."""
        images = self.clip.image(image)
        texts = F.normalize(self.clip.encode_text(ids).float(), dim=-1)
        return images, texts, self.head(images * 4).float()


def contrast(logits: Tensor, fits: Tensor) -> Tensor:
    """Cross entropy of both directions: logits [N texts, B images], fits likewise in 0..1.

    Texts that fit no picture of the batch only count among the wrong ones.
    """
    rows = fits.sum(1, keepdim=True)
    some = rows[:, 0] > 0.5
    texts = -(fits / rows.clamp_min(1e-6) * logits.log_softmax(1)).sum(1)[some].mean()
    pictures = -(fits / fits.sum(0).clamp_min(1e-6) * logits.log_softmax(0)).sum(0).mean()
    return 0.5 * (texts + pictures)


def train(folder: Path, checkpoint: Path, minutes: float, batch: int = 96, seed: int = 0) -> Steps[Clip]:
    """Fit to the pool in ``folder``; returns the `Clip` in eval mode."""
    torch.manual_seed(seed)
    p, images = pool.load(folder, "p", "images")
    held = pool.load(folder, "p", "images", held_out=True)
    net = WithHead()
    net.clip.model.visual.to(memory_format=torch.channels_last)

    def loss(index: int) -> Tensor:
        rng = np.random.default_rng([seed, index])
        rows = rng.integers(0, len(p), batch)
        image = degrade(from_uint8(images[rows]), torch.Generator().manual_seed(int(rng.integers(2**31))))
        texts, fits = captions.batch(p[rows], EXTRA, rng)
        ids = net.clip.tokenizer(texts)
        with torch.autocast("cpu", torch.bfloat16):
            seen, text, read = net(image.contiguous(memory_format=torch.channels_last), ids)
        scale = net.clip.model.logit_scale.clamp(max=4.6).exp()
        wanted = torch.erf(torch.from_numpy(p[rows]) / 2**0.5)
        return contrast(scale * text @ seen.T, torch.from_numpy(fits)) + 2 * (read - wanted).square().mean()

    def score() -> dict[str, float]:
        found = scores(net.clip, *held)
        return {k: v for k, v in found.items() if not k.startswith("zero-shot ")}

    net, _ = yield from timebox.train("clip", net, loss, score, checkpoint, minutes, lr=1.5e-3)
    return net.clip


@torch.no_grad()
def embed(clip: Clip, images: np.ndarray) -> Tensor:
    """uint8 [N,S,S,3] -> unit vectors [N,E]."""
    return torch.cat([clip.image(from_uint8(images[k : k + 50])) for k in range(0, len(images), 50)])


@torch.no_grad()
def scores(clip: Clip, p: np.ndarray, images: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Held-out figures.

    "retrieval@1", "retrieval@5": a caption of four claims among all pictures, where a picture that the
    caption fits as well counts as right.  "zero-shot <attribute>": for each attribute the mean AUC of its
    claims (does "a person with glasses" lie nearer to pictures of which it is true?); "zero-shot" their mean.
    """
    seen, rng = embed(clip, images), np.random.default_rng([seed, 0xC11B])
    truth = captions.truths(p)
    chosen = [captions.choose(truth[:, k], 4, rng) for k in range(len(p))]
    text = clip.text([captions.sentence(c, rng) for c in chosen])
    fits = torch.from_numpy(np.stack([truth[c].prod(0) for c in chosen]))
    good = fits >= 0.5 * fits.diagonal()[:, None]
    order = (text @ seen.T).argsort(1, descending=True)
    hit = good.gather(1, order)
    found = {f"retrieval@{n}": hit[:, :n].any(1).float().mean().item() for n in (1, 5)}
    by_attribute: dict[str, list[float]] = {}
    for k, claim in enumerate(claims()):
        yes, no = truth[k] > 0.7, truth[k] < 0.3
        if min(yes.sum(), no.sum()) < 8:
            continue
        near = (clip.text([captions.sentence([k], rng) for _ in range(3)]).mean(0) @ seen.T).numpy()
        auc = (near[yes][:, None] > near[no][None]).mean()
        by_attribute.setdefault(claim.attribute, []).append(float(auc))
    each = {f"zero-shot {name}": float(np.mean(values)) for name, values in by_attribute.items()}
    return found | {"zero-shot": float(np.mean(list(each.values())))} | each
