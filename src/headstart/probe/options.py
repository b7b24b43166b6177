"""What may be tried when a head is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.backbones.catalog import Backbone
from headstart.options import FitOptions


@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """What `headstart.probe.choice.choose` may try."""

    sizes: tuple[int, ...]
    """Input sizes in pixels, cheapest first."""
    seed: int = 0
    """Of the folds and of the screening sample."""
    n_splits: int = 5
    """Folds of the inner and of the outer cross-validation."""
    balanced: bool = False
    """Weight the loss so that every class counts the same, as scikit-learn's ``class_weight="balanced"``."""
    enough: float = 0.02
    """Out-of-fold error below which dearer candidates are not looked at."""
    screen: int = 500
    """About how many pictures a dearer candidate is first tried on."""
    few: int = 16
    """Up to this many pictures in the smallest class, six views of each are tried as training rows."""

    @classmethod
    def of(cls, options: FitOptions, backbone: Backbone) -> ProbeOptions:
        """What ``options`` leave to be tried; sizes that they do not name are the backbone's own."""
        return cls(
            sizes=options.sizes or backbone.sizes,
            seed=options.random_state,
            balanced=options.class_weight == "balanced",
        )
