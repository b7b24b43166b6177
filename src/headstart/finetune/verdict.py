"""Answers of a probe and of a fine-tuned network on the same pictures: how to read the second, and which is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from headstart.arrays import Floats, Index
from headstart.evaluation.calibration import fit_temperature, softmax
from headstart.evaluation.losses import correct, log_losses, mean_and_error

CONFIDENCE_LEVEL = 0.95
"""How sure a lower log-loss must be, one-sided, to be believed."""
SMALLEST = 1e-30
"""Probabilities below are taken for this where they become logits."""


@dataclass(frozen=True, kw_only=True, order=True)
class Mix:
    """What of a fine-tuned network answers, and with what."""

    share: float
    """How far to go from the pretrained weights to the fine-tuned ones (WiSE-FT, Wortsman et al. 2022)."""
    joined: bool
    """Whether the pretrained network answers too, with the head that training began with: `joined`."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A mix and a temperature, and what they make of the answers they were settled on."""

    mix: Mix
    temperature: float
    proba: Floats
    """(n, k)"""


def settle(answers: Mapping[Mix, Floats], y: Index) -> Settled:
    """The mix whose answers have the lowest log-loss on pictures of classes ``y`` (n,), each at its best temperature.

    ``answers``: for each mix the probabilities (n, k). Of equal ones that of the lower share is taken, and one network.
    """
    options = []
    for mix in sorted(answers):
        temperature = fit_temperature(_logits(answers[mix]), y)
        options.append(Settled(mix=mix, temperature=temperature, proba=tempered(answers[mix], temperature)))
    return min(options, key=lambda option: log_losses(option.proba, y).mean())


def joined(one: Floats, other: Floats) -> Floats:
    """Probabilities (n, k) of the mean of two networks' logits: their geometric mean, to a sum of 1."""
    return softmax((_logits(one) + _logits(other)) / 2)


def tempered(proba: Floats, temperature: float) -> Floats:
    """Probabilities (n, k) at another temperature; above 1 they become less sure."""
    return softmax(_logits(proba), temperature)


def gain(probe: Floats, tuned: Floats, y: Index, groups: Index) -> tuple[float, float]:
    """How much lower the log-loss of ``tuned`` (n, k) is than that of ``probe``, in nats, and its standard error.

    The pictures of one of ``groups`` (n,) count as one draw.
    """
    return mean_and_error(log_losses(probe, y) - log_losses(tuned, y), groups)


def better(probe: Floats, tuned: Floats, y: Index, groups: Index) -> bool:
    """Whether the log-loss of ``tuned`` is surely lower (paired t-test over groups), and no more pictures are wrong."""
    difference, error = gain(probe, tuned, y, groups)
    enough = float(stdtrit(max(len(np.unique(groups)) - 1, 1), CONFIDENCE_LEVEL)) * error
    return difference > enough and int(correct(tuned, y).sum()) >= int(correct(probe, y).sum())


def _logits(proba: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(proba, SMALLEST)))
