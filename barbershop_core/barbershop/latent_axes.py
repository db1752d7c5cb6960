"""Moving a code along the main axes of W or of Z, in standard deviations.

Both kinds of axes move all given rows of W+ by one common offset.  rows: [1,n,D].  count: number of axes, K.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..inversion.to_z import mapping_jacobian, to_z, to_z_along
from ..protocols import PackLike

W_VARIANCE = 0.985  # share of the variance of W that the axes hold; codes hardly vary along the others
MOST_AXES = 96  # of Z
MAX_Z_ERROR = 0.5  # largest error in W, as a share of its variance, for a code to count as reached from Z


class AxesInW:
    """The main axes of W, whitened by the P-norm."""

    def __init__(self, pack: PackLike, rows: Tensor):
        self.prior = pack.pnorm
        variance = self.prior.stdev.square()
        self.count = int((variance.cumsum(0) / variance.sum() < W_VARIANCE).sum()) + 1
        self.rows = rows.detach()
        self.place = self.prior.project(self.rows.mean(1))
        self.base = self.prior.unproject(self.place)

    def coordinates(self, rows: Tensor) -> Tensor:
        """Where other rows [1,n,D] lie, relative to these, [K]."""
        return (self.prior.project(rows.mean(1)) - self.place)[0, : self.count]

    def moved(self, offsets: Tensor) -> Tensor:
        """The rows moved by each offset: [B,K] -> [B,n,D]."""
        rest = self.place[:, self.count :].expand(len(offsets), -1)
        place = torch.cat([self.place[:, : self.count] + offsets, rest], 1)
        return self.rows + (self.prior.unproject(place) - self.base)[:, None]


class AxesInZ:
    """The directions of Z to which the mapping network responds most at z [1,Z], which maps close to the
    rows' mean.  Z is independent and Gaussian as it is."""

    def __init__(self, pack: PackLike, rows: Tensor, z: Tensor):
        self.generator, self.rows, self.z = pack.generator, rows.detach(), z
        # LAPACK on the CPU gives the same axes on every device.
        _, size, axes = torch.linalg.svd(mapping_jacobian(pack.generator, z[0]).cpu())
        self.count = min(int((size > 0.01 * size[0]).sum()), MOST_AXES)
        self.axes = axes[: self.count].to(z.device)
        self.base = self.generator.mapping(z)

    def coordinates(self, rows: Tensor) -> Tensor:
        """As in `AxesInW`.  Searched along the axes only: along other directions two codes of Z may differ by
        any amount, and since the mapping network normalizes z, that would change these coordinates."""
        z = to_z_along(self.generator, rows.mean(1)[0], self.z[0], self.axes)
        return ((z - self.z) @ self.axes.T)[0]

    def moved(self, offsets: Tensor) -> Tensor:
        """As in `AxesInW`."""
        return self.rows + (self.generator.mapping(self.z + offsets @ self.axes) - self.base)[:, None]


def axes_between(pack: PackLike, person: Tensor, reference: Tensor) -> AxesInW | AxesInZ:
    """Axes through the person's rows [1,n,D]: of Z if the mapping network reaches both codes, else of W.

    It reaches an encoder's codes of images that the generator can make, not those of other photos.
    """
    z, error = to_z(pack.generator, torch.cat([person.mean(1), reference.mean(1)]))
    if float(error.max()) < MAX_Z_ERROR:
        return AxesInZ(pack, person, z[:1])
    return AxesInW(pack, person)
