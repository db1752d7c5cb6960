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

from ..editing.masks import erode
from ..editing.regions import REGIONS, parse_logits, region_index, region_mask
from ..inversion.minimise import EvenAdam, minimise
from ..networks.resample import shrink
from ..progress import Step, Steps

PARTS = ("eyes", "nose", "mouth", "brows")
SHARE = 0.985
"""Of the variance of W: the axes that hold it are moved along; what the rest holds is not where codes lie."""
LEND_SIDE, LEND_BATCH = 64, 16
MOST_AXES, IN_Z = 96, 0.5
W_ERROR = 1e-3  # of its variance: how well a code is known
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

    def moved() -> Tensor:
        return torch.cat([space.moved(offset[None]), w_plus[:, first:]], 1)

    def objective(_: int):
        picture = generator.synthesis(moved(), resolution=side)
        found, there = moments(parse_logits(pack.parser, picture, side))
        both = visible * there.detach()
        distance = ((found - wanted).square() * both[:, None]).sum() / both.sum().clamp_min(1)
        return picture, {"pose": distance, "distance": preset.distance * offset.square().mean()}

    variables = [(offset, preset.pose_lr)]
    yield from minimise(
        "align", preset.pose_steps, variables, objective, optimizer=EvenAdam, **preset.schedule
    )
    return moved().detach()


def _differences(pack, space: _Axes | _Noises, rest: Tensor, face: Tensor) -> Steps[Tensor]:
    """How the face changes per standard deviation along each axis, [K,M].

    face: float [S,S], where it is looked for; pixels that hair covers on either side say nothing of it.
    """
    probes = PROBE * torch.eye(space.count, device=rest.device)
    parts, slopes = probes.split(LEND_BATCH // 2), []
    for number, some in enumerate(parts, 1):
        with torch.no_grad():
            image, log_p = _look(pack, space.moved(torch.cat([some, -some])), rest)
            p = log_p.exp()
            seen = torch.cat([p, image], 1)
            one, two = p[:, region_index("hair")].chunk(2)
            bare = (face * (1 - torch.maximum(one, two)))[:, None]
            ahead, behind = seen.chunk(2)
            slopes.append(F.avg_pool2d((ahead - behind) * bare, 2).flatten(1) / (2 * PROBE))
        yield Step("align", number, len(parts))
    return torch.cat(slopes)


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
    derivative by central differences, the offset c minimizes (in Z where the codes lie there, else in W)

        |c - (p_reference - p_person)|^2 + |J c|^2 / preset.lend

    that is, what is known of the reference unless the face contradicts it.  Where the pack has learnt
    which part of a move in W is hair (``pack.hair_projection``), that part is taken instead and nothing is
    measured.  Moves the rows that make F; the others stay the person's.  Returns [1,L,D].
    """
    first = pack.generator.feature_index
    rest = person[:, first:]
    if pack.hair_projection is not None:
        move = (reference[:, :first].mean(1) - person[:, :first].mean(1)) @ pack.hair_projection
        yield Step("align", 1, 1)
        return torch.cat([person[:, :first] + move[:, None], rest], 1)
    space = lending_space(pack, person[:, :first], reference[:, :first])
    face = _lower_face(labels, min(LEND_SIDE, pack.working_size))

    wanted = space.coordinates(reference[:, :first])
    slopes = yield from _differences(pack, space, rest, face)
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
    lower = face & (rows >= middle.to(rows.device) - 0.02 * len(labels))
    lower = erode(lower, max(len(labels) // 64, 1)).float()
    return F.interpolate(lower[None, None], (side, side), mode="nearest")[0, 0]


class _Axes:
    """Moving a code's rows together along the main axes of W, whitened by the P-norm.

    rows: [1,n,D].  count: number of axes, K.
    """

    def __init__(self, pack, rows: Tensor):
        self.prior = pack.pnorm
        variance = self.prior.stdev.square()
        self.count = int((variance.cumsum(0) / variance.sum() < SHARE).sum()) + 1
        self.rows = rows.detach()
        self.place = self.prior.project(self.rows.mean(1))
        self.base = self.prior.unproject(self.place)

    def coordinates(self, rows: Tensor) -> Tensor:
        """[1,n,D] -> [K]: where other rows lie, in standard deviations from here."""
        return (self.prior.project(rows.mean(1)) - self.place)[0, : self.count]

    def moved(self, offsets: Tensor) -> Tensor:
        """[B,K] -> rows [B,n,D]."""
        rest = self.place[:, self.count :].expand(len(offsets), -1)
        place = torch.cat([self.place[:, : self.count] + offsets, rest], 1)
        return self.rows + (self.prior.unproject(place) - self.base)[:, None]


class _Noises:
    """The same in Z, where what a generator has learnt to vary is independent and Gaussian.

    z: [1,Z], whose image under the mapping network is near the rows' mean.  Axes are the directions of Z
    that the mapping takes notice of at z.
    """

    def __init__(self, pack, rows: Tensor, z: Tensor):
        self.generator, self.rows, self.z = pack.generator, rows.detach(), z
        slope = mapping_slope(pack.generator, z[0])
        # LAPACK on the CPU gives the same axes wherever the generator is.
        _, size, axes = torch.linalg.svd(slope.cpu())
        self.count = min(int((size > 0.01 * size[0]).sum()), MOST_AXES)
        self.axes = axes[: self.count].to(z.device)
        self.base = self.generator.mapping(z)

    def coordinates(self, rows: Tensor) -> Tensor:
        """Looked for along the axes only: in what the mapping is deaf to, two codes of Z differ at will,
        but it normalizes z, so that this would leak into the rest."""
        _, spread = _known(self.generator)
        z = _likeliest(self.generator, rows.mean(1)[0], self.z[0], float(spread), 30, self.axes)
        return ((z - self.z) @ self.axes.T)[0]

    def moved(self, offsets: Tensor) -> Tensor:
        return self.rows + (self.generator.mapping(self.z + offsets @ self.axes) - self.base)[:, None]


def lending_space(pack, person: Tensor, reference: Tensor) -> _Axes | _Noises:
    """Z where both codes have a place in it, else W.

    person, reference: rows [1,n,D].  Codes of photos that the generator cannot quite make lie off what its
    mapping network reaches; an encoder's codes of what it can make do not.
    """
    z, error = to_z(pack.generator, torch.cat([person.mean(1), reference.mean(1)]))
    if float(error.max()) < IN_Z:
        return _Noises(pack, person, z[:1])
    return _Axes(pack, person)


def to_z(generator, w: Tensor, steps: int = 20) -> tuple[Tensor, Tensor]:
    """The mapping network backwards: w [N,D] -> z [N,Z] of length sqrt(Z), and the share of w's variance
    that they miss [N].

    The likeliest z under a small error of w: from a linear guess by Levenberg-Marquardt.  Only the small
    mapping network runs.
    """
    length = generator.z_dim**0.5
    with torch.no_grad():
        (z, known), spread = _known(generator)
        samples, mean = len(z), known.mean(0)
        centred = known - mean
        gram = (centred.T @ centred / samples + 1e-3 * spread * torch.eye(w.shape[1], device=w.device)).cpu()
        found = (w - mean) @ torch.linalg.solve(gram, (centred.T @ z / samples).cpu()).to(w.device)
        found = torch.cat([_likeliest(generator, row, one, spread, steps) for row, one in zip(w, found)])
        found = found * (length / found.norm(dim=1, keepdim=True))
        return found, (generator.mapping(found) - w).square().mean(1) / spread


def _known(generator, samples: int = 4096) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Fixed draws z [N,Z] of length sqrt(Z), their w [N,D]; and the mean variance of w."""
    z = torch.randn(samples, generator.z_dim, generator=torch.Generator().manual_seed(0))
    z = (z * (generator.z_dim**0.5 / z.norm(dim=1, keepdim=True))).to(generator.w_mean.device)
    with torch.no_grad():
        w = generator.mapping(z)
    return (z, w), w.var(0).mean()


def _likeliest(
    generator, w: Tensor, z: Tensor, spread: float, steps: int, basis: Tensor | None = None
) -> Tensor:
    """One row of `to_z`: w [D], z [Z] -> [1,Z].  basis: orthonormal [K,Z], along which alone z may move."""
    weight = 1 / (W_ERROR * float(spread))
    z, damping = z.cpu(), 1.0
    basis = torch.eye(len(z)) if basis is None else basis.cpu()

    def cost(x: Tensor) -> tuple[Tensor, float]:
        miss = (generator.mapping(x[None].to(w.device))[0] - w).cpu()
        return miss, float(weight * miss.square().sum() + x.square().sum())

    miss, best = cost(z)
    for _ in range(steps):
        slope = mapping_slope(generator, z.to(w.device)).cpu() @ basis.T
        normal = weight * slope.T @ slope + torch.eye(len(basis))
        pull = weight * slope.T @ miss + basis @ z
        for _ in range(4):
            step = basis.T @ torch.linalg.solve(normal + damping * torch.diag(normal.diagonal()), pull)
            new_miss, new = cost(z - step)
            if new < best:
                z, miss, best, damping = z - step, new_miss, new, damping * 0.2
                break
            damping *= 5
    return z[None].to(w.device)


def mapping_slope(generator, z: Tensor, probe: float = 0.02) -> Tensor:
    """d mapping / d z [D,Z] at z [Z], by central differences in one batch."""
    probes = probe * torch.eye(len(z), device=z.device)
    values = generator.mapping(torch.cat([z + probes, z - probes]))
    return ((values[: len(z)] - values[len(z) :]) / (2 * probe)).T


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
