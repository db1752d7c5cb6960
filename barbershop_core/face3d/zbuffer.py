"""Which triangle each pixel shows: a z-buffer, vectorized over triangles, without gradients.

:mod:`.rasterize` adds gradients and perspective; the portrait world's renderer uses this module directly.
"""

from __future__ import annotations

import torch

WINDOWS = (2, 3, 4, 5, 6, 8, 11, 16, 24, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def visible_triangles(
    screen: torch.Tensor, faces: torch.Tensor, two_sided: torch.Tensor, size: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The triangle that each pixel shows, and the position in it.

    screen: float [V,3], x and y in pixels (pixel centres at .5), z growing towards the viewer.
    faces: long [F,3], counter-clockwise as seen (y up before the flip, so clockwise on screen).
    two_sided: bool [F]; others are dropped when seen from behind.

    Returns pixel indices long [N] (row * size + column) of covered pixels, their triangle long [N]
    and barycentric weights float [N,3].
    """
    a, b, c = (screen[faces[:, i]] for i in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    corners = torch.stack([a[:, :2], b[:, :2], c[:, :2]])
    low = torch.floor(corners.amin(0) - 0.5).long().clamp_(min=0) + 0
    high = torch.ceil(corners.amax(0) - 0.5).long().clamp_(max=size - 1)
    span = (high - low).amax(1) + 1
    seen = (span > 0) & ((high >= low).all(1)) & (two_sided & (area.abs() > 1e-9) | (area < -1e-9))
    pixels, depths, triangles, weights = [], [], [], []
    smallest = 0
    for window in WINDOWS:
        chosen = (seen & (span > smallest) & (span <= window)).nonzero()[:, 0]
        smallest = window
        if not len(chosen):
            continue
        offset = torch.arange(window, device=screen.device)
        x = low[chosen, 0, None] + offset
        y = low[chosen, 1, None] + offset
        # barycentric weights are linear in the pixel: base + x * slope + y * slope
        inv = 1.0 / area[chosen]
        A, B, C = a[chosen], b[chosen], c[chosen]
        bx, by = (C[:, 1] - A[:, 1]) * inv, (A[:, 0] - C[:, 0]) * inv
        cx, cy = (A[:, 1] - B[:, 1]) * inv, (B[:, 0] - A[:, 0]) * inv
        px, py = x + 0.5 - A[:, 0, None], y + 0.5 - A[:, 1, None]
        wb = (px * bx[:, None])[:, None, :] + (py * by[:, None])[:, :, None]
        wc = (px * cx[:, None])[:, None, :] + (py * cy[:, None])[:, :, None]
        inside = (wb >= -1e-5) & (wc >= -1e-5) & (wb + wc <= 1.00001)
        inside &= (x < size)[:, None, :] & (y < size)[:, :, None]
        t, iy, ix = inside.nonzero(as_tuple=True)
        vb, vc = wb[t, iy, ix], wc[t, iy, ix]
        w = torch.stack([1.0 - vb - vc, vb, vc], 1)
        pixels.append(y[t, iy] * size + x[t, ix])
        triangles.append(chosen[t])
        weights.append(w)
        depths.append((w * screen[faces[chosen[t]], 2]).sum(1))
    if not pixels:
        none = torch.empty(0, dtype=torch.long, device=screen.device)
        return none, none, screen.new_empty(0, 3)
    pixels, triangles = torch.cat(pixels), torch.cat(triangles)
    weights, depth = torch.cat(weights), torch.cat(depths)
    if not len(depth):
        return pixels, triangles, weights
    # Depth in the high bits and the candidate in the low ones: one integer maximum does the test.
    span_z = (depth.max() - depth.min()).clamp(min=1e-6)
    key = (((depth - depth.min()) / span_z * (2**28)).long() << 32) | torch.arange(len(depth), device=screen.device)
    buffer = torch.full((size * size,), -1, dtype=torch.long, device=screen.device)
    buffer.scatter_reduce_(0, pixels, key, "amax")
    covered = (buffer >= 0).nonzero()[:, 0]
    winner = buffer[covered] & 0xFFFFFFFF
    return covered, triangles[winner], weights[winner]
