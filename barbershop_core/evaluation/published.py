"""Figures that papers give for transfers of hair between photographs, to stand beside our own.

Figures of one table can be compared with each other.  Those of different tables cannot: the FID of HairFastGAN is
12.8 in one and 36.2 in another.  FID grows with fewer pictures, so a small folder of ours compares with neither.
"""

from __future__ import annotations

Row = dict[str, float]


def _rows(columns: str, **rows: str) -> dict[str, Row]:
    names = columns.split()
    found = {}
    for name, values in rows.items():
        pairs = zip(names, values.split())
        found[name.replace("_", " ")] = {column: float(value) for column, value in pairs if value != "-"}
    return found


PUBLISHED: dict[str, dict[str, Row]] = {
    "H-Adapter (arXiv 2606.25578, read at second hand): CelebA-HQ, 3,000 pairs, yaw differs by over 15 degrees": _rows(
        "fid fid_clip ssim psnr clip_i seconds",
        Style_Your_Hair="15.95 8.54 .816 22.80 .649 -",
        HairCLIPv2="13.44 7.91 .824 23.63 .623 -",
        HairFastGAN="12.78 4.53 .817 24.40 .649 .78",
        Stable_Hair="25.79 8.70 .798 22.39 .640 8.82",
        HairFusion="28.03 8.80 .756 17.26 .626 66.28",
        FLUX_2="12.66 5.18 .904 25.35 .643 -",
        H_Adapter="12.47 3.98 .831 23.06 .659 3.05",
    ),
    "Stable-Hair (arXiv 2407.14078): CelebA-HQ, 2,500 pairs; PSNR and SSIM where neither shows hair": _rows(
        "clip_i fid psnr ssim identity",
        Barbershop=".431 46.178 30.397 .629 .760",
        HairFastGAN=".426 36.205 30.383 .666 .762",
        Style_Your_Hair=".429 41.543 30.489 .645 .712",
        HairCLIP=".391 44.359 28.855 .615 .697",
        HairCLIPv2=".419 37.456 31.552 .642 .769",
        Stable_Hair=".434 35.128 30.980 .680 .779",
    ),
}
"""Rows by table and method; seconds are of a pair, on each paper's machine."""
