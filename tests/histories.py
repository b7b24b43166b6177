"""Histories of known kind."""

import numpy as np

from headstart.evaluation.history import Epoch, History


def history(train_loss, val_loss, *, starts=(1,), train_accuracy=None, val_accuracy=None, initial_loss=0.72):
    if train_accuracy is None:
        train_accuracy = np.clip(1 - 0.65 * np.asarray(train_loss), 0, 1)
    if val_accuracy is None:
        val_accuracy = np.clip(1 - 0.65 * np.asarray(val_loss), 0, 1)
    rows = zip(train_loss, train_accuracy, val_loss, val_accuracy, strict=True)
    epochs = [
        Epoch(
            phase=sum(start <= i for start in starts), epoch=i, train_loss=float(a), train_accuracy=float(b),
            val_loss=float(c), val_accuracy=float(d), seconds=1.5, lr=1e-3,
        )
        for i, (a, b, c, d) in enumerate(rows, 1)
    ]  # fmt: skip
    return History(initial_loss=initial_loss, initial_accuracy=0.48, epochs=tuple(epochs))


def decay(n, tau, end, fall):
    return end + fall * np.exp(-np.arange(1, n + 1) / tau)


def shaped(kind, rng, noise):
    """A run of 15 to 30 epochs of known kind; the noise is relative to the loss."""
    n = int(rng.integers(15, 31))
    flat = np.ones(n)
    train, val = {
        "settled": (decay(n, n / 8, 0.12, 0.6), decay(n, n / 8, 0.15, 0.57)),
        "with dropout": (decay(n, n / 8, 0.3, 0.5), decay(n, n / 8, 0.12, 0.57)),
        "stopped early": (decay(n, n / 1.2, 0.1, 0.6), decay(n, n / 1.2, 0.13, 0.58)),
        "learned nothing": (0.66 * flat, 0.68 * flat),
        "U": (decay(n, n / 5, 0.01, 0.7), decay(n, n / 10, 0.2, 0.5) + 0.25 * np.clip(np.arange(n) / n - 0.3, 0, 1)),
        "memorised": (decay(n, n / 8, 0.005, 0.7), decay(n, n / 10, 0.3, 0.4)),
        "diverging": (np.linspace(0.3, 1.2, n), np.linspace(0.3, 1.3, n)),
    }[kind]
    return history(*(series * (1 + noise * rng.standard_normal(n)) for series in (train, val)))
