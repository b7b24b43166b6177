"""What the driver tells a peer's program, and the events that the program tells it: JSON on stderr, one a line."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def told() -> argparse.Namespace:
    """``data`` with train/ and val/, ``epochs`` at most, ``random`` weights, ``full``; ``fetch``: only get weights."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=sys.maxsize)
    for flag in ("--random", "--full", "--fetch"):
        parser.add_argument(flag, action="store_true")
    return parser.parse_args()


def tell_phase(whole: int) -> None:
    """A phase of training begins, which the procedure lets run for ``whole`` epochs."""
    _tell(event="phase", whole=whole)


def tell_epoch(accuracy: float | None) -> None:
    """An epoch has ended, after which the accuracy on the validation pictures was so, if it was measured."""
    _tell(event="epoch", accuracy=None if accuracy is None else float(accuracy))


def tell_answer(accuracy: float) -> None:
    """The model that is left at the end, which need not be that of the last epoch, reaches so much."""
    _tell(event="answer", accuracy=float(accuracy))


def _tell(**event: object) -> None:
    print(f"\n{json.dumps(event)}", file=sys.stderr, flush=True)
