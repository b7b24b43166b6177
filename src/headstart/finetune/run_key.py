"""What a fine-tuning run is called: everything that its weights depend on, as one short name.

A checkpoint and a row of a table carry it; what has another name is never mistaken for the same run.
"""

from __future__ import annotations

import hashlib
from importlib.metadata import PackageNotFoundError, version

import torch

from headstart.backbones.catalog import Backbone
from headstart.backbones.graph import computes_in_bf16
from headstart.backbones.weights import Weights
from headstart.files import digest
from headstart.finetune.phase_activations import Index
from headstart.finetune.plan import Plan
from headstart.images import augment, decode, transforms
from headstart.images.folder import ImageSet
from headstart.probe.heads import LinearHead

LOOP = 1
"""Raised whenever the loop, its optimisers or its schedules give other weights than before."""
PACKAGES = ("torch", "timm", "openvino")


def run_key(
    backbone: Backbone,
    weights: Weights,
    images: ImageSet,
    train: Index,
    val: Index,
    plan: Plan,
    *,
    seed: int,
    probe: LinearHead | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> str:
    """32 hexadecimal digits. The arguments are those of `headstart.finetune.loop.finetune`."""
    linear = b"" if probe is None else probe.weight.tobytes() + probe.bias.tobytes()
    trained_on = trains_on(device)
    return digest(
        {
            "loop": LOOP,
            "backbone": backbone.architecture,
            "preprocessing": [backbone.mean, backbone.std, backbone.crop_pct, backbone.interpolation],
            "weights": weights.sha256,
            "plan": plan.to_dict(),
            "pictures": [images.digests[i] for i in (*train, *val)],
            "pixels": [decode.DECODER, transforms.ALGORITHM, augment.ALGORITHM],
            "y": [int(images.y[i]) for i in (*train, *val)],
            "train": len(train),
            "seed": seed,
            "probe": hashlib.sha256(linear).hexdigest(),
            "device": [device, trained_on, precision],
            "bf16": trained_on == "cpu" and precision != "f32" and computes_in_bf16(),
            "versions": [_version(package) for package in (*PACKAGES, *(["peft"] if plan.lora else []))],
        }
    )


def trains_on(device: str) -> str:
    """Where torch trains: ``cpu``, ``cuda`` or ``mps``. ``auto`` takes a GPU that torch sees."""
    chosen = "cuda" if device == "auto" and torch.cuda.is_available() else device
    return chosen if chosen in ("cuda", "mps") else "cpu"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
