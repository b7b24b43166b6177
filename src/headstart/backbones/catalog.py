"""Which pretrained networks there are, by name; importable without torch.

A name is ours (``resnet18``), or any name timm knows, with its tag (``resnet34.a1_in1k``); records for the
latter are built on demand from what timm publishes about them.
"""

from __future__ import annotations

from dataclasses import fields
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
    source = backbone.source
    install = source.install if isinstance(source, Bundled) else f"headstart backbones fetch {backbone.name}"
    described = {field.name: getattr(backbone, field.name) for field in fields(backbone)}
    origin = {Bundled: "package", Hub: "hub"}.get(type(source), "none published")
    place = source.package if isinstance(source, Bundled) else source.repo_id if source else ""
    return {**described, "source": f"{origin} {place}".strip(), "ready": weights.is_ready(backbone), "install": install}
