"""What the transfer certificate says where the answer is known.

    python benchmarks/certificate.py PHOTOS [PHOTOS ...]

For every folder, and for the pictures of the demo: the certificate as `train` makes it, on up to 500 of its training
pictures at 224 pixels; then on the same pictures with labels that say which half has the brighter mean colour. Last,
400 pictures of pure noise with random labels.

Expected, accuracy of the pretrained last layer, of colours alone and of the untrained network:

    ants and bees (245)             helps           0.96   0.69   0.58   by colour: does not help   0.68   0.93   0.73
    cats and dogs (500 of 2,000)    helps           0.99   0.60   0.55   by colour: does not help   0.64   0.94   0.73
    demo (500 of 2,000)             helps           0.78   0.69   0.51   by colour: does not help   0.66   0.98   0.77
    noise (400)                     does not help   about 0.5 for all

Seconds each once the features are in the store; random weights are computed for up to 500 pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.backbones.space import NetworkSpec
from headstart.cache_folder import cache_folder
from headstart.claims.certificate import Certificate, subsample, transfer_certificate
from headstart.claims.colour_baseline import colours
from headstart.features.table import FeatureTable
from headstart.images.decode import encode
from headstart.images.folder import ImageSet, scan
from headstart.options import FitOptions
from headstart.pipeline import workbench
from headstart.report.certificate import NAMES, certificate_sentences
from headstart.workflows.demo import pictures as demo_pictures


def certificate(images: ImageSet, output: str) -> Certificate:
    depths = NetworkSpec.named("efficientnet_lite0", cache=cache_folder()).depth_channels()
    with workbench(FitOptions()) as bench:
        pretrained = FeatureTable(images, bench)
        untrained = FeatureTable(images, bench.with_network(bench.network.untrained()))
        index = np.arange(len(images))
        return transfer_certificate(pretrained, untrained, index, size=224, output=output, channels=depths, seed=0)


def show(name: str, images: ImageSet) -> None:
    for output in ("last", "depths"):
        began = time.monotonic()
        found = certificate(images, output)
        rivals = ", ".join(
            f"{NAMES[rival.kind]} {rival.accuracy.value:.3f} (p {rival.difference.p:.1g})" for rival in found.rivals
        )
        print(
            f"{name}, {found.output} at {found.size}: {found.verdict.upper()}; "
            f"pretrained {found.chosen.value:.3f}, {rivals}",
            end="; ",
        )
        print(f"{time.monotonic() - began:.1f} s")
        print("   ", " ".join(certificate_sentences(found)))
    print(
        "   ",
        ", ".join(f"{depth.name} {depth.pretrained.value:.3f}/{depth.untrained.value:.3f}" for depth in found.depths),
    )


def sample(folder: Path) -> ImageSet:
    images = scan(folder)
    index = subsample(np.flatnonzero(images.split == "train"), images.y, images.groups, images.digests)
    return images.subset(index)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    for folder in [*parser.parse_args().photos, demo_pictures()]:
        images = sample(folder)
        show(folder.name, images)
        bright = colours(images.paths)[:, -6:-3].sum(axis=1)
        y = (bright > np.median(bright)).astype(np.int64)
        show(f"{folder.name} by mean colour", replace(images, y=y, classes=("dark", "light")))
    with tempfile.TemporaryDirectory() as scratch:
        rng = np.random.default_rng(0)
        for name in ("a", "b"):
            (Path(scratch) / name).mkdir()
            for number in range(200):
                noise = rng.integers(0, 256, (224, 224, 3)).astype(np.uint8)
                (Path(scratch) / name / f"{number}.png").write_bytes(encode(noise, format="PNG"))
        show("noise", scan(Path(scratch)))


if __name__ == "__main__":
    main()
