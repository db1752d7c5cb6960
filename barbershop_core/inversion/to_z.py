"""The mapping network backwards: from W to Z.

Each z is the maximum a posteriori estimate under its Gaussian prior and a small Gaussian error of w, found by
Levenberg-Marquardt from a linear guess.  Only the mapping network runs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

W_ERROR = 1e-3  # variance of the error of w, as a share of the variance of W


def to_z(generator: nn.Module, w: Tensor, steps: int = 20) -> tuple[Tensor, Tensor]:
    """Codes in Z of codes in W.

    w: [N,D].  Returns z [N,Z] of length sqrt(Z), and the squared error of their w as a share of the variance
    of W, [N].
    """
    length = generator.z_dim**0.5
    with torch.no_grad():
        z, known = _draws(generator)
        mean, variance = known.mean(0), known.var(0).mean()
        centred = known - mean
        gram = centred.T @ centred / len(z) + 1e-3 * variance * torch.eye(w.shape[1], device=w.device)
        guess = (w - mean) @ torch.linalg.solve(gram.cpu(), (centred.T @ z / len(z)).cpu()).to(w.device)
        rows = [_descend(generator, row, start, variance, steps) for row, start in zip(w, guess)]
        found = torch.cat(rows)
        found = found * (length / found.norm(dim=1, keepdim=True))
        return found, (generator.mapping(found) - w).square().mean(1) / variance


def to_z_along(generator: nn.Module, w: Tensor, z: Tensor, basis: Tensor, steps: int = 30) -> Tensor:
    """The z [1,Z] of w [D] that is reached from z [Z] along the orthonormal rows of ``basis`` [K,Z]."""
    _, known = _draws(generator)
    return _descend(generator, w, z, known.var(0).mean(), steps, basis)


def mapping_jacobian(generator: nn.Module, z: Tensor, step: float = 0.02) -> Tensor:
    """d mapping / d z [D,Z] at z [Z], by central differences in one batch."""
    offsets = step * torch.eye(len(z), device=z.device)
    values = generator.mapping(torch.cat([z + offsets, z - offsets]))
    return ((values[: len(z)] - values[len(z) :]) / (2 * step)).T


def _draws(generator: nn.Module, count: int = 4096) -> tuple[Tensor, Tensor]:
    """Fixed draws z [N,Z] of length sqrt(Z), and their w [N,D]."""
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(0))
    z = (z * (generator.z_dim**0.5 / z.norm(dim=1, keepdim=True))).to(generator.w_mean.device)
    with torch.no_grad():
        return z, generator.mapping(z)


def _descend(
    generator: nn.Module, w: Tensor, z: Tensor, variance: Tensor, steps: int, basis: Tensor | None = None
) -> Tensor:
    """Levenberg-Marquardt for one row: w [D], start z [Z] -> [1,Z].

    variance: of W.  basis: orthonormal [K,Z], the only directions in which z moves; all by default.
    """
    weight = 1 / (W_ERROR * float(variance))
    z, damping = z.cpu(), 1.0
    basis = torch.eye(len(z)) if basis is None else basis.cpu()

    def cost(x: Tensor) -> tuple[Tensor, float]:
        error = (generator.mapping(x[None].to(w.device))[0] - w).cpu()
        return error, float(weight * error.square().sum() + x.square().sum())

    error, best = cost(z)
    for _ in range(steps):
        jacobian = mapping_jacobian(generator, z.to(w.device)).cpu() @ basis.T
        normal = weight * jacobian.T @ jacobian + torch.eye(len(basis))
        gradient = weight * jacobian.T @ error + basis @ z
        for _ in range(4):
            step = basis.T @ torch.linalg.solve(normal + damping * torch.diag(normal.diagonal()), gradient)
            new_error, new = cost(z - step)
            if new < best:
                z, error, best, damping = z - step, new_error, new, damping * 0.2
                break
            damping *= 5
    return z[None].to(w.device)
