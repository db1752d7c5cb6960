"""Pictures moved by triangles, the nearest in front: painted from back to front by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np


def triangle_field(
    triangles: np.ndarray, before: np.ndarray, after: np.ndarray, depth: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of a picture comes from, if the corners of triangles have moved.

    triangles: int [T,3], of points.  before, after: [V,2], the points in the source and in the picture, px.
    depth: [V], in the picture; the nearest triangle (the least depth) owns a pixel.  size: side of the picture, px.
    Returns float32 [size,size,2], (x, y), each pixel's own place where there is no triangle; and int32 [size,size],
    the triangle of each pixel, -1 for none.
    """
    field = np.stack(np.meshgrid(*[np.arange(size, dtype=np.float32)] * 2), -1)
    owner = np.full((size, size), -1, np.int32)
    if not len(triangles):
        return field, owner
    order = np.argsort(-depth[triangles].mean(1), kind="stable")  # from back to front
    for index, corners in zip(order.tolist(), np.round(after[triangles[order]] * 16).astype(np.int32)):
        cv2.fillConvexPoly(owner, corners, index, shift=4)
    rows, columns = np.nonzero(owner >= 0)
    field[rows, columns] = _traced(triangles, before, after, owner[rows, columns], columns, rows)
    return field, owner


def continued(
    field: np.ndarray, owner: np.ndarray, triangles: np.ndarray, before: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """The field of `triangle_field`, with the maps of its outermost triangles in a margin around them."""
    covered = (owner >= 0).astype(np.uint8)
    reach = max(2, len(owner) // 48)
    margin = cv2.dilate(covered, np.ones((reach, reach), np.uint8)) - covered
    _, labels = cv2.distanceTransformWithLabels(1 - covered, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owners = np.zeros(labels.max() + 1, np.int32)
    owners[labels[covered > 0]] = owner[covered > 0]
    rows, columns = np.nonzero(margin)
    field[rows, columns] = _traced(triangles, before, after, owners[labels[rows, columns]], columns, rows, reach)
    return field


def _traced(
    triangles: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    owner: np.ndarray,
    columns: np.ndarray,
    rows: np.ndarray,
    reach: float = 1.0,
) -> np.ndarray:
    """Where pixels come from by the maps of their owners, at most ``reach`` px outside of the owner: [N,2]."""
    corners = before[triangles]
    maps = _affine(after[triangles], corners)[owner]
    x, y = columns.astype(np.float32)[:, None], rows.astype(np.float32)[:, None]
    place = maps[:, :, 0] * x + maps[:, :, 1] * y + maps[:, :, 2]
    return np.clip(place, corners.min(1)[owner] - reach, corners.max(1)[owner] + reach)


def _affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Maps [T,2,3] of triangles [T,3,2] onto triangles; those of slivers are shifts."""
    a, b = source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    good = np.abs(area) > 0.05
    area = np.where(good, area, 1)
    u, v = target[:, 1] - target[:, 0], target[:, 2] - target[:, 0]
    maps = np.empty((len(source), 2, 3), np.float32)
    maps[:, :, 0] = (u * b[:, 1:] - v * a[:, 1:]) / area[:, None]
    maps[:, :, 1] = (v * a[:, :1] - u * b[:, :1]) / area[:, None]
    maps[~good, :, :2] = np.eye(2)
    maps[:, :, 2] = target[:, 0] - (maps[:, :, :2] @ source[:, 0, :, None])[..., 0]
    return maps
