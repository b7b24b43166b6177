"""Pictures per second from file to features: headstart against eager PyTorch, decode included, in one run.

    python benchmarks/extraction.py [PHOTOS] [--pictures 512] [--rounds 3]

The other side is what tutorials do, done well: a DataLoader with as many workers as there are cores, torchvision
transforms, the same network in channels-last float32 under inference_mode. The two alternate; medians and their ratio
are printed. Nothing else should run on the machine. Without PHOTOS the pictures of the demo are used.

Expected: it depends on the CPU's arithmetic. With bfloat16 (AMX, AVX512-BF16) about 5 times or more. With AVX2 only,
where both sides compute in float32 and OpenVINO runs near the peak of the cores, 2.5 to 3.5 times.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from torchvision import transforms

from headstart.backbones import catalog
from headstart.backbones.network import build
from headstart.backbones.space import NetworkSpec, Space
from headstart.backbones.weights import locate
from headstart.features.extract import extract
from headstart.images.folder import scan
from headstart.workflows.demo import pictures as demo_pictures


class Files(torch.utils.data.Dataset[torch.Tensor]):
    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.transform = transforms.Compose(
            [
                transforms.Resize(256, transforms.InterpolationMode.BICUBIC),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize((0.5,) * 3, (0.5,) * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        pixels: torch.Tensor = self.transform(Image.open(self.paths[i]).convert("RGB"))
        return pixels


def eager(model: torch.nn.Module, paths: list[Path]) -> float:
    loader = torch.utils.data.DataLoader(Files(paths), batch_size=32, num_workers=torch.get_num_threads())
    start = time.perf_counter()
    with torch.inference_mode():
        for batch in loader:
            model(batch.to(memory_format=torch.channels_last))
    return len(paths) / (time.perf_counter() - start)


def ours(space: Space, paths: list[Path]) -> float:
    start = time.perf_counter()
    done = sum(not isinstance(rows, str) for rows in extract(paths, space))
    assert done == len(paths)
    return done / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    paths = list(scan(options.photos or demo_pictures()).paths)
    paths = paths[:: max(1, len(paths) // options.pictures)][: options.pictures]
    backbone = catalog.get("efficientnet_lite0")
    weights = locate(backbone)
    model = build(backbone, weights).to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as cache:
        space = NetworkSpec(backbone=backbone, weights=weights, cache=Path(cache)).at(224).open()
        eager(model, paths[:64]), ours(space, paths[:64])  # warm up
        rates: dict[str, list[float]] = {"eager": [], "headstart": []}
        for _ in range(options.rounds):
            rates["eager"].append(eager(model, paths))
            rates["headstart"].append(ours(space, paths))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, values in rates.items():
        print(f"{name:<10} {medians[name]:6.1f} pictures/s   {' '.join(f'{value:.1f}' for value in values)}")
    ratio = medians["headstart"] / medians["eager"]
    print(f"{len(paths)} pictures, {space.runtime.name} against torch float32 channels-last: {ratio:.2f} times as fast")


if __name__ == "__main__":
    main()
