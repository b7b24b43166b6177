"""A fine-tuning job as data: everything that the trained weights depend on, and one short name for all of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from headstart.arrays import Index
from headstart.backbones.graph import computes_in_bf16
from headstart.backbones.space import NetworkSpec
from headstart.device import trains_on
from headstart.files import digest, plain
from headstart.finetune.plan import Plan
from headstart.images import decode, transforms
from headstart.images.folder import ImageSet
from headstart.probe.heads import LinearHead
from headstart.versions import version

Arithmetic = Literal["f32", "bf16"]

LOOP = 1
"""Raised whenever the loop, its optimisers or its schedules give other weights than before."""
PACKAGES = ("torch", "timm", "openvino")


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """What `headstart.finetune.loop.finetune` is to do."""

    network: NetworkSpec
    """The pretrained network, where it trains, and the cache of graphs and maps that all runs share. ``openvino`` and
    ``torch`` train on the CPU, ``auto`` on a GPU that is there. With precision ``f32`` everything computes in that.
    Else what learns computes in bf16 where that is faster: always on an NVIDIA GPU, and on a CPU where it was measured
    to be. ``bf16`` and ``auto`` differ in what is frozen alone."""
    images: ImageSet
    train: Index
    """(n,) positions in ``images`` of the pictures to learn from."""
    val: Index
    """(m,) positions of those to measure loss and accuracy on after every epoch; at least one."""
    plan: Plan
    seed: int = 0
    """Of a fresh head, of the order of the pictures, of their views and of dropout."""
    probe: LinearHead | None = None
    """A linear head on the backbone's features, for a plan that begins with one."""

    @property
    def trains_on(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return trains_on(self.network.device)

    @property
    def evaluates_in(self) -> Arithmetic:
        """What the part that learns computes in when it answers, and on a GPU when it learns."""
        return "bf16" if self.trains_on == "cuda" and self.network.precision != "f32" else "f32"

    @property
    def geometry(self) -> transforms.Geometry:
        """How a picture becomes the network's input; what the plan leaves open is the backbone's own."""
        plan, backbone = self.plan, self.network.backbone
        return transforms.Geometry(
            size=plan.size,
            mode=plan.mode,
            crop_pct=plan.crop_pct or backbone.crop_pct,
            interpolation=plan.interpolation or backbone.interpolation,
            levels=self.images.levels,
        )

    def key(self) -> str:
        """32 hexadecimal digits that name everything the weights depend on.

        A checkpoint and a row of a table carry it; what has another key is never mistaken for the same job.
        """
        linear = b"" if self.probe is None else self.probe.weight.tobytes() + self.probe.bias.tobytes()
        network, backbone, pictures = self.network, self.network.backbone, (*self.train, *self.val)
        return digest(
            {
                "loop": LOOP,
                "backbone": backbone.architecture,
                "preprocessing": [backbone.mean, backbone.std, backbone.crop_pct, backbone.interpolation],
                "weights": network.weights.sha256,
                "plan": plain(self.plan),
                "pictures": [self.images.digests[i] for i in pictures],
                "pixels": [decode.DECODER, transforms.ALGORITHM, transforms.VARIED_ALGORITHM],
                "levels": plain(self.images.levels) if self.images.levels else None,
                "y": [int(self.images.y[i]) for i in pictures],
                "train": len(self.train),
                "seed": self.seed,
                "probe": hashlib.sha256(linear).hexdigest(),
                "device": [network.device, self.trains_on, network.precision],
                "bf16": self.trains_on == "cpu" and network.precision != "f32" and computes_in_bf16(),
                "versions": [version(package) for package in (*PACKAGES, *(["peft"] if self.plan.lora else []))],
            }
        )
