"""The procedure of PyTorch's transfer-learning tutorial: ResNet-18 as a fixed feature extractor, or trained whole."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from protocol import tell_epoch, tell_phase, told
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision import datasets, models, transforms

EPOCHS, BATCH, WORKERS = 25, 4, 4
NORMALISED = (transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
TRAIN = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), *NORMALISED])
VAL = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), *NORMALISED])


def main() -> None:
    options = told()
    model = models.resnet18(weights=None if options.random else "IMAGENET1K_V1")
    if options.fetch:
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    train, val = (datasets.ImageFolder(options.data / s, t) for s, t in (("train", TRAIN), ("val", VAL)))
    loaders = [DataLoader(part, batch_size=BATCH, shuffle=True, num_workers=WORKERS) for part in (train, val)]
    model.requires_grad_(options.full)
    model.fc = nn.Linear(model.fc.in_features, len(train.classes))
    model = model.to(device)
    optimiser = optim.SGD((model if options.full else model.fc).parameters(), lr=0.001, momentum=0.9)
    schedule = optim.lr_scheduler.StepLR(optimiser, step_size=7, gamma=0.1)
    best = 0.0
    with tempfile.TemporaryDirectory() as folder:
        torch.save(model.state_dict(), kept := Path(folder) / "best.pt")
        tell_phase(EPOCHS)
        for _ in range(min(options.epochs, EPOCHS)):
            for loader, learns in zip(loaders, (True, False), strict=True):
                model.train(learns)
                right = torch.zeros((), dtype=torch.long, device=device)
                for x, y in loader:
                    inputs, labels = x.to(device), y.to(device)
                    with torch.set_grad_enabled(learns):
                        logits = model(inputs)
                        loss = nn.functional.cross_entropy(logits, labels)
                    if learns:
                        optimiser.zero_grad()
                        loss.backward()
                        optimiser.step()
                    right += (logits.argmax(1) == labels).sum()
            schedule.step()
            accuracy = right.item() / len(val)
            if accuracy > best:
                best = accuracy
                torch.save(model.state_dict(), kept)
            tell_epoch(accuracy)


if __name__ == "__main__":
    main()
