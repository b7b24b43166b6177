"""Which pretrained networks there are, by name; importable without torch.

A name is ours (``resnet18``), or any name timm knows, with its tag (``resnet34.a1_in1k``); records for the
latter are built on demand from what timm publishes about them.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from headstart.backbones import weights
from headstart.backbones.pretrained import Backbone, Bundled, Hub, all

__all__ = ["Backbone", "Bundled", "Hub", "all", "describe", "get"]


def get(name: str) -> Backbone:
    """The network called ``name``: our short name, or timm's name with or without tag.

    A name outside the catalogue asks timm, which loads torch.

    Raises:
        OptionError: the name is neither; the message offers close ones.
    """
    for backbone in all():
        if name in (backbone.name, backbone.architecture):
            return backbone
    from headstart.backbones import network

    return network.record(name)


def describe(backbone: Backbone) -> dict[str, Any]:
    """The record for people and JSON: its fields, whether it works right now without a network, and if not, how."""
    origin, place, install = "none published", "", f"headstart backbones fetch {backbone.name}"
    if isinstance(backbone.source, Bundled):
        origin, place, install = "package", backbone.source.package, backbone.source.install
    elif backbone.source is not None:
        origin, place = "hub", backbone.source.repo_id
    source, ready = f"{origin} {place}".strip(), weights.is_ready(backbone)
    return {**asdict(backbone), "source": source, "ready": ready, "install": install}
