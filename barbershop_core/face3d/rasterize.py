"""A differentiable rasterizer in plain PyTorch.

The z-buffer (:mod:`.zbuffer`) finds the triangle that a pixel shows, without gradients.  The pixel's position
in that triangle is then computed again from the vertices, correct in perspective, so interpolated values have
gradients with respect to the vertices' positions and distances and the values at them.  Outlines have no
gradient, as in MoFA (Tewari et al. 2017, section 6): a pixel's colour changes, the set of pixels does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .zbuffer import visible_triangles


@dataclass(frozen=True)
class Fragments:
    """The pixels that a batch of meshes covers.

    pixel [N]: image * size * size + row * size + column.  corner [N,3]: the visible triangle's vertices as
    indices into the batch's vertices, flat (image * V + vertex).  weight [N,3]: barycentric, correct in
    perspective; they sum to one.
    """

    pixel: Tensor
    corner: Tensor
    weight: Tensor
    images: int
    size: int

    def interpolate(self, values: Tensor) -> Tensor:
        """Vertex values [B,V,C] at the covered pixels [N,C]."""
        at = values.reshape(-1, values.shape[-1])[self.corner]
        return (self.weight[..., None] * at).sum(1)

    def image(self, covered: Tensor, background: float = 0.0) -> Tensor:
        """Values at the covered pixels [N,C] as images [B,C,size,size]."""
        flat = covered.new_full((self.images * self.size * self.size, covered.shape[1]), background)
        flat = flat.index_copy(0, self.pixel, covered)
        return flat.reshape(self.images, self.size, self.size, -1).permute(0, 3, 1, 2)

    def mask(self) -> Tensor:
        """1 where a mesh is visible, float [B,1,size,size]."""
        return self.image(torch.ones_like(self.weight[:, :1].detach()))


def rasterize(points: Tensor, distance: Tensor, faces: Tensor, size: int) -> Fragments:
    """Visible pixels of meshes of one topology.

    points [B,V,2]: x to the right and y down in pixels, pixel centres at .5.  distance [B,V]: from the
    camera, above 0.  faces [F,3]: counter-clockwise as seen; back faces are not drawn.
    """
    batch, count = points.shape[:2]
    two_sided = torch.zeros(len(faces), dtype=torch.bool, device=points.device)
    pixels, corners = [], []
    with torch.no_grad():
        for b in range(batch):
            # 1 / distance is linear on the screen, so the comparison is exact
            screen = torch.cat([points[b], 1 / distance[b, :, None]], 1).float()
            pixel, triangle, _ = visible_triangles(screen, faces, two_sided, size)
            pixels.append(pixel + b * size * size)
            corners.append(faces[triangle] + b * count)
    pixel, corner = torch.cat(pixels), torch.cat(corners)
    local = pixel % (size * size)
    centre = torch.stack([local % size, local // size], 1).to(points.dtype) + 0.5
    a, b, c = points.reshape(-1, 2)[corner].unbind(1)
    area = _cross(b - a, c - a)
    weight = torch.stack([_cross(b - centre, c - centre), _cross(c - centre, a - centre)], 1) / area[:, None]
    weight = torch.cat([weight, 1 - weight.sum(1, keepdim=True)], 1)
    weight = weight / distance.reshape(-1)[corner]  # undo the division by depth (Blinn 1992)
    return Fragments(pixel, corner, weight / weight.sum(1, keepdim=True), batch, size)


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
