"""The report of ``doctor``: what a pack needs, what of it is here, and in which state.

It uses the network only to ask which sources answer, and, when a pack is chosen on a machine with a GPU, whether
the Hub does.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from ..weights import hub, local
from ..weights.manifest import Manifest, Network, Source, read_manifest

LIBRARIES = (
    "torch torchvision gradio huggingface_hub safetensors mediapipe lpips open_clip_torch numpy pillow scipy "
    "torchmetrics"
).split()


def report(pack_name: str | None = None, device: str = "auto", ask: bool = False) -> dict[str, Any]:
    """The report as JSON-ready data.  ask: whether to ask the Hub's sources.  Raises PackError for an unknown pack.

    Keys: pack (name, title, why, size, working_size), device, python, system, versions, hub, networks (one
    dict a network: role, need, state "here" | "wrong" | "missing", where, checked, file, source, size,
    licence, sources with "problem": None unasked, "" where it answers, ...), ready, missing.
    """
    from ..pack import Pack, choose_pack, pick_device  # imports torch

    name, why = choose_pack(pack_name, device)
    manifest = read_manifest(name)
    pack = Pack(manifest, pick_device(device))
    listed = [s for n in manifest.networks.values() for s in n.sources]
    problems = hub.ask(listed) if ask and not local.offline() else {}
    networks = [_network(manifest, n, problems) for n in manifest.networks.values()]
    missing = [n["role"] for n in networks if n["need"] == "required" and n["state"] != "here"]
    return {
        "pack": {
            "name": manifest.name,
            "title": manifest.title,
            "summary": manifest.summary,
            "why": why,
            "manifest": str(manifest.path),
            "size": pack.size,
            "working_size": pack.working_size,
        },
        "device": _device(pack.device),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {library: _version(library) for library in LIBRARIES},
        "hub": {
            "endpoint": local.endpoint(),
            "offline": local.offline(),
            "cache": str(local.cache_dir()),
            "token": _has_token(),
            "local_folder": os.environ.get("BARBERSHOP_WEIGHTS") or None,
            "landmarker": os.environ.get("BARBERSHOP_LANDMARKER") or None,
        },
        "networks": networks,
        "missing": missing,
        "ready": not missing,
        "notices": list(pack.notices),
    }


def _network(manifest: Manifest, network: Network, problems: Mapping[Source, str]) -> dict[str, Any]:
    reasons: list = []
    found = local.search(network, manifest.folder, (), False, reasons)
    own = os.environ.get("BARBERSHOP_LANDMARKER") if network.kind == "landmarker" else None
    source = found.source if found else network.sources[0]
    entry = {
        "role": network.role,
        "kind": network.kind,
        "need": network.need,
        "purpose": network.purpose,
        "state": "here" if found else "wrong" if reasons else "missing",
        "where": found.where if found else None,
        "checked": found.verdict.how if found else None,
        "path": str(found.path) if found else None,
        "bytes": found.path.stat().st_size if found else source.size,
        "size": _size(found.path.stat().st_size if found else source.size, source.about),
        "file": source.file,
        "source": source.where,
        "repo_type": source.repo_type,
        "revision": source.revision,
        "sha256": source.sha256 or None,
        "fallbacks": len(network.sources) - 1,
        "sources": [
            {"source": s.where, "file": s.file, "problem": problems.get(s)} for s in network.sources if not s.embedded
        ],
        "layout": source.layout or network.layout,
        "table": source.table or network.table or None,
        "licence": source.licence or network.licence,
        "problem": reasons[0][1] if reasons and not found else None,
    }
    if own:
        here = os.path.isfile(own)
        entry |= {
            "state": "here" if here else "missing",
            "where": "BARBERSHOP_LANDMARKER",
            "path": own,
            "checked": "nothing",
            "problem": None if here else f"{own} is not a file",
        }
    return entry


def render(data: dict[str, Any]) -> str:
    """The report as plain text, at most 110 columns where paths allow."""
    pack, where = data["pack"], data["hub"]
    size = f"{pack['size']} px" + (
        f", working at {pack['working_size']} px here" if pack["working_size"] != pack["size"] else ""
    )
    lines = [
        f"Pack      {pack['name']} ({size}); {pack['why']}",
        f"          {pack['summary']}",
        f"Device    {data['device']}",
        f"Python    {data['python']} on {data['system']}",
        "Versions  " + ", ".join(f"{k} {v}" for k, v in data["versions"].items() if v),
        f"Hub       {where['endpoint']}{' (offline)' if where['offline'] else ''}, "
        f"{'with' if where['token'] else 'without'} a token, cache {where['cache']}",
    ]
    absent = [k for k, v in data["versions"].items() if not v]
    if absent:
        lines.append(f"          not installed: {', '.join(absent)}")
    if where["local_folder"]:
        lines.append(f"          own weights in {where['local_folder']}")
    lines.append("")
    for n in data["networks"]:
        checked = {
            "sha256": "sha256 right",
            "git sha1": "git sha1 right",
            "hub": "as the Hub's hash says",
            "size": "size right",
            "nothing": "no checksum known",
            None: "",
        }[n["checked"]]
        state = {"here": f"{n['where']}, {checked}", "wrong": "WRONG", "missing": "not here"}[n["state"]]
        lines.append(f"{n['role']:<18}{n['need']:<10}{n['size']:>10}  {state}")
        lines.append(f"{'':<18}{n['purpose']}")
        lines.append(f"{'':<18}{n['source']}: {n['file']}")
        lines += [f"{'':<18}{line}" for line in _sources(n["sources"])]
        lines.append(f"{'':<18}licence: {n['licence']}")
        if n["problem"]:
            lines.append(f"{'':<18}{n['problem']}")
    lines.append("")
    if data["ready"]:
        lines.append("Ready.")
    else:
        lines += [
            f"Not ready: {', '.join(data['missing'])} missing;",
            f"'python -m barbershop_core download --pack {pack['name']}' fetches what can be fetched.",
        ]
    return "\n".join(lines + data["notices"])


def _sources(sources: list[dict[str, Any]]) -> list[str]:
    """Which of a network's sources on the Hub answer, in lines."""
    asked = [s for s in sources if s["problem"] is not None]
    silent = [s for s in asked if s["problem"]]
    lines = [f"{len(asked) - len(silent)} of {len(asked)} sources answer"] if asked else []
    lines += [f"  {s['source']}: {s['problem']}" for s in silent]
    return lines + ["no second source is known"] * (len(sources) == 1)


def _size(exact: int | None, about: str) -> str:
    if exact is None:
        return about or "unknown"
    return f"{exact / 1e6:.1f} MB" if exact >= 1e5 else f"{exact / 1e3:.1f} kB"


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _has_token() -> bool:
    from huggingface_hub import get_token

    return bool(get_token())


def _device(device) -> str:
    import torch

    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    if device.type == "cpu":
        return f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads)"
    return str(device)
