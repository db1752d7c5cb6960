"""Generated portraits with their readings: what a rig is trained on, and PIE's v."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..face3d.theta import Theta, from_flat
from ..memory import pictures_at_once
from ..networks.resample import resize
from ..precision import half_precision
from ..progress import Step, Steps
from ..protocols import PackLike
from .face_reader import FaceReader, FaceReading

BATCH = 16
"""Portraits that are generated at once, where there is memory for them."""


@dataclass(frozen=True)
class SampleBank:
    """Samples of a generator: w_plus [N,L,D], their readings, and small pictures [N,3,S,S]."""

    w_plus: Tensor
    reading: FaceReading
    images: Tensor

    def __len__(self) -> int:
        return len(self.w_plus)

    def rows(self, index: Tensor) -> SampleBank:
        """The samples at ``index``."""
        return SampleBank(self.w_plus[index], self.reading[index], self.images[index])

    def to(self, device: torch.device | str) -> SampleBank:
        """The same samples on another device."""
        r = self.reading
        theta = r.theta.map(lambda part: part.to(device))
        reading = FaceReading(theta, r.landmarks.to(device), r.rest.to(device))
        return SampleBank(self.w_plus.to(device), reading, self.images.to(device))

    def state_dict(self) -> dict[str, Tensor | dict]:
        """For a checkpoint; the pictures in half precision."""
        theta = self.reading.theta
        return {
            "w_plus": self.w_plus,
            "theta": theta.flat(),
            "sizes": theta.sizes,
            "rest": self.reading.rest,
            "landmarks": self.reading.landmarks,
            "images": self.images.half(),
        }

    @classmethod
    def from_state(cls, saved: dict) -> SampleBank:
        """Undoes :meth:`state_dict`."""
        reading = FaceReading(from_flat(saved["theta"], saved["sizes"]), saved["landmarks"], saved["rest"])
        return cls(saved["w_plus"], reading, saved["images"].float())


def draw_codes(generator: nn.Module, count: int, rng: torch.Generator, mixed: float = 0.5) -> Tensor:
    """W+ codes of seeded z [count,L,D].

    mixed: share of codes made of two z.  Half of these switch from one to the other at a random row (style
    mixing, Karras et al. 2019); in the other half each row is a random interpolation, as in embedded photos.
    """
    device = generator.w_mean.device
    z = torch.randn(2 * count, generator.z_dim, generator=rng).to(device)
    with torch.no_grad():
        a, b = generator.spread(generator.mapping(z)).chunk(2)
    rows = a.shape[1]
    share = torch.zeros(count, rows, 1)
    kind = torch.rand(count, generator=rng)
    cut = torch.randint(1, rows, (count, 1), generator=rng)
    crossed = (torch.arange(rows)[None] >= cut)[..., None].float()
    blurred = 0.5 * torch.rand(count, 1, 1, generator=rng) * torch.rand(count, rows, 1, generator=rng)
    share = torch.where(kind[:, None, None] < mixed / 2, crossed, share)
    share = torch.where((kind[:, None, None] >= mixed / 2) & (kind[:, None, None] < mixed), blurred, share)
    return a + (b - a) * share.to(device)


def draw_samples(
    pack: PackLike, reader: FaceReader, count: int, seed: int = 0, mixed: float = 0.5, side: int = 64
) -> Steps[SampleBank]:
    """Generate ``count`` portraits and read them.

    mixed: see `draw_codes`.  side: px of the pictures that are kept.  Yields the stage "draw samples".
    """
    rng = torch.Generator().manual_seed(seed)
    w_plus = draw_codes(pack.generator, count, rng, mixed)
    readings, pictures = [], []
    for part in w_plus.split(pictures_at_once(pack.generator, BATCH)):
        with torch.no_grad(), half_precision():
            image = pack.generator.synthesis(part, side=pack.working_size).clamp(-1, 1)
            readings.append(reader(image))
            pictures.append(resize(image, side) if image.shape[-1] > side else image)
        yield Step("draw samples", sum(map(len, pictures)), count)
    return SampleBank(w_plus, concatenate(readings), torch.cat(pictures))


def concatenate(parts: list[FaceReading]) -> FaceReading:
    """Readings as one batch."""
    sizes = parts[0].theta.sizes
    theta = Theta(**{name: torch.cat([getattr(p.theta, name) for p in parts]) for name in sizes})
    return FaceReading(theta, torch.cat([p.landmarks for p in parts]), torch.cat([p.rest for p in parts]))
