"""Turning a reference's head to the person's, and lending its hair.

Heads that look in different directions are the main failure that the article names.  Style Your Hair
(Kim et al. 2022) turns the reference first, in the generator's latent space.  Two ways are here:

- `turn`: the reference's code moves until the parts of its face lie where the person's do, and no
  further than that takes.
- `lend`: the person's code moves towards the reference's, but only along what the person's face does not
  notice.  What is left of the difference is the hair: the result is the person with that hair, in the
  person's pose and light, as the generator knows them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..inversion.descent import EvenAdam, minimise, shrink, to_uint8
from ..inversion.prior import PNorm
from ..progress import Step, Steps
from .regions import REGIONS, parse_logits, region_mask

PARTS = ("eyes", "nose", "mouth", "brows")
SHARE = 0.985
"""Of the variance of W: the axes that hold it are moved along; what the rest holds is not where codes lie."""
LEND_SIDE, LEND_BATCH = 64, 16
PROBE = 0.7
"""Standard deviations to each side, from which `lend` takes differences: large enough to see past noise."""


def turn(pack, w_plus: Tensor, image: Tensor, preset) -> Steps[Tensor]:
    """A reference's code with the head in the person's pose.

    w_plus: [1,L,D], the reference's.  image: [1,3,R,R] in [-1,1], the person.  Places and extents of eyes,
    brows, nose and mouth in the parse of the generated image are brought to the person's by one common
    offset of the rows that make F, in the whitened space of the P-norm, where it is as short as can be.
    Returns [1,L,D].
    """
    generator, first = pack.generator, pack.generator.feature_index
    side = min(preset.side, pack.working_size)
    space = _Axes(pack, w_plus[:, :first])
    with torch.no_grad():
        wanted, visible = moments(parse_logits(pack.parser, shrink(image, side), side))
    offset = torch.zeros(space.count, device=w_plus.device).requires_grad_(True)
    latest: list[Tensor] = []

    def moved() -> Tensor:
        return torch.cat([space.moved(offset[None]), w_plus[:, first:]], 1)

    def objective():
        picture = generator.synthesis(moved(), resolution=side)
        latest[:] = [picture.detach()]
        found, there = moments(parse_logits(pack.parser, picture, side))
        both = visible * there.detach()
        distance = ((found - wanted).square() * both[:, None]).sum() / both.sum().clamp_min(1)
        return {"pose": distance, "distance": preset.distance * offset.square().mean()}

    yield from minimise("align", preset.pose_steps, [(offset, preset.pose_lr)], objective, ramp=preset.ramp,
                        patience=preset.patience, tolerance=preset.tolerance, optimizer=EvenAdam,
                        preview=lambda: to_uint8(latest[0])[0].numpy())  # fmt: skip
    return moved().detach()


def _differences(pack, space: _Axes, rest: Tensor, features) -> Steps[Tensor]:
    """Change of ``features(image, log_p)`` per standard deviation along each axis, [K,M]."""
    probes = PROBE * torch.eye(space.count, device=rest.device)
    probes = torch.cat([probes, -probes]).split(LEND_BATCH)
    seen = []
    for number, some in enumerate(probes, 1):
        with torch.no_grad():
            seen.append(features(*_look(pack, space.moved(some), rest)))
        yield Step("align", number, len(probes))
    values = torch.cat(seen)
    return (values[: space.count] - values[space.count :]) / (2 * PROBE)


def _look(pack, rows: Tensor, rest: Tensor) -> tuple[Tensor, Tensor]:
    """Small images of codes, and their parses."""
    w_plus = torch.cat([rows, rest.expand(len(rows), -1, -1)], 1)
    side = min(LEND_SIDE, pack.working_size)
    image = pack.generator.synthesis(w_plus, resolution=side)
    return image, parse_logits(pack.parser, image, side)


def lend(pack, person: Tensor, reference: Tensor, labels: Tensor, preset) -> Steps[Tensor]:
    """The person's code with the reference's hair.

    person, reference: [1,L,D].  labels: long [R,R], the person's.  With p the whitened codes, f what is
    seen of the person's face (pixels and parse from the eyes downwards, where hair seldom lies) and J its
    derivative by central differences, the offset c minimizes

        |c - (p_reference - p_person)|^2 + |J c|^2 / preset.lend

    that is, what is known of the reference unless the face contradicts it.  Moves the rows that make F;
    the others stay the person's.  Returns [1,L,D].
    """
    first = pack.generator.feature_index
    rest = person[:, first:]
    space = _Axes(pack, person[:, :first])
    face = _lower_face(labels, min(LEND_SIDE, pack.working_size))

    def features(image: Tensor, log_p: Tensor) -> Tensor:
        return F.avg_pool2d(torch.cat([log_p.exp(), image], 1) * face, 2).flatten(1)

    wanted = space.coordinates(reference[:, :first])
    slopes = yield from _differences(pack, space, rest, features)
    # The grid is 32 x 32 for every pack; the CPU solves it alike on all devices.
    slopes, wanted = slopes.cpu(), wanted.cpu()
    offset = torch.linalg.solve(torch.eye(space.count) + slopes @ slopes.T / preset.lend, wanted).to(
        person.device
    )
    return torch.cat([space.moved(offset[None]), rest], 1)


def _lower_face(labels: Tensor, side: int) -> Tensor:
    """float [side,side]: the visible face from the eyes' height downwards."""
    face = region_mask(labels, ("skin", "nose", "mouth", "eyes", "glasses", "brows"))
    eyes = region_mask(labels, ("eyes", "glasses", "brows"))
    rows = torch.arange(labels.shape[0], device=labels.device)[:, None].expand_as(labels)
    middle = rows[eyes].float().mean() if bool(eyes.any()) else torch.tensor(0.38 * len(labels))
    lower = (face & (rows >= middle.to(rows.device) - 0.02 * len(labels))).float()
    return F.interpolate(lower[None, None], (side, side), mode="nearest")[0, 0]


class _Axes:
    """Moving a code's rows together along the main axes of W.

    rows: [1,n,D].  count: number of axes, K.
    """

    def __init__(self, pack, rows: Tensor):
        statistics = pack.pnorm
        self.prior = PNorm(statistics.mean, statistics.components, statistics.stdev).to(rows.device)
        variance = statistics.stdev.square()
        self.count = int((variance.cumsum(0) / variance.sum() < SHARE).sum()) + 1
        self.rows = rows.detach()
        self.place = self.prior.project(self.rows.mean(1))
        self.base = self.prior.unproject(self.place)

    def coordinates(self, rows: Tensor) -> Tensor:
        """[1,n,D] -> [K]: where other rows lie, in standard deviations from here."""
        return (self.prior.project(rows.mean(1)) - self.place)[0, : self.count]

    def moved(self, offsets: Tensor) -> Tensor:
        """[B,K] -> rows [B,n,D]."""
        place = torch.cat([self.place[:, : self.count] + offsets,
                           self.place[:, self.count :].expand(len(offsets), -1)], 1)  # fmt: skip
        return self.rows + (self.prior.unproject(place) - self.base)[:, None]


def moments(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """Places and extents of the face's parts, with gradients.

    log_p: [1,N,S,S] log-probabilities of the regions.  Returns [parts,4]: mean x and y, and standard
    deviations of x and y, in units of a twentieth of the image; and [parts], 1 where the part is there.
    """
    p = log_p.exp()[0, [REGIONS.index(name) for name in PARTS]]
    height, width = p.shape[-2:]
    x = (torch.arange(width, device=p.device) + 0.5) / width
    y = (torch.arange(height, device=p.device) + 0.5) / height
    area = p.sum((1, 2)).clamp_min(1e-3)
    along_x, along_y = p.sum(1), p.sum(2)
    mx, my = (along_x * x).sum(1) / area, (along_y * y).sum(1) / area
    sx = ((along_x * (x - mx[:, None]).square()).sum(1) / area + 1e-6).sqrt()
    sy = ((along_y * (y - my[:, None]).square()).sum(1) / area + 1e-6).sqrt()
    there = (area > 3e-4 * height * width).float()
    return 20 * torch.stack([mx, my, sx, sy], 1), there
