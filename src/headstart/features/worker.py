"""A process of its own that keeps networks open and computes rows of the files it is told: one worker of many.

It knows nothing of who started it. Files are read where it runs, and only rows and notes, or reasons, go back.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from headstart.backbones.space import NetworkSpec, Space, SpaceSpec
from headstart.backbones.weights import Weights, locate
from headstart.cache_folder import cache_folder
from headstart.device import sums, take_share
from headstart.errors import HeadstartError, OptionError, WeightsError
from headstart.features.extract import Found, Misses, here
from headstart.images.notes import Note
from headstart.images.transforms import View


class Worker:
    """Computes with ``processors`` of its machine. What a person can mend is an answer, not an exception."""

    def __init__(self, processors: int) -> None:
        take_share(processors)
        self._spaces: dict[str, Space] = {}

    def open(self, key: str, pickled: bytes, runtime: str) -> HeadstartError | None:
        """Open a `Space` or `SpaceSpec` under the key of its rows ``last``; returns what keeps this machine from it.

        ``runtime`` is what runs it where it was asked for: rows of another are other rows.
        """
        try:
            space: Space | SpaceSpec = pickle.loads(pickled)
            opened = _as_here(space).open() if isinstance(space, SpaceSpec) else space
        except HeadstartError as error:
            return error
        if opened.key(View.CENTRE, "last") != key:
            return OptionError.of(
                "workers that compute other rows",
                expected=f"{runtime} and the same versions of all packages as where the command was given",
                found=opened.runtime.name,
                todo="take machines of one kind and the same versions; --precision f32 where only some have bf16",
            )
        self._spaces[key] = opened
        return None

    def compute(
        self,
        key: str,
        paths: Sequence[Path],
        digests: Sequence[str] | None,
        views: Sequence[View],
        notes: Sequence[Note],
    ) -> list[Found | str] | HeadstartError:
        """What was found of each path in the space that was opened as ``key``, or what ends the run; see `Misses`."""
        misses = Misses(sources=paths, space=self._spaces[key], views=views, digests=digests, notes=notes)
        try:
            return list(here(misses))
        except HeadstartError as error:
            return error

    def sums(self) -> str:
        """See `device.sums`. From then on BLAS has one thread, so that sums do not depend on the processors."""
        import scipy.linalg  # noqa: F401  which has a BLAS of its own: only one that is loaded can be told
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")
        return sums()

    def work(self, call: Callable[[Any, Any], Any], item: Any, X: Any) -> Any:
        """What ``call`` gives for one part of the work on a matrix, see `spread.Spread`."""
        return call(item, X)


def _as_here(spec: SpaceSpec) -> SpaceSpec:
    network = spec.network
    return replace(spec, network=network_here(network)) if isinstance(network, NetworkSpec) else spec


def network_here(network: NetworkSpec) -> NetworkSpec:
    """A network of another machine with the cache and the weights of this one where the other's are not here.

    Raises WeightsError or MissingPackageError where there are none.
    """
    cache = network.cache if network.cache.is_dir() else cache_folder()
    return replace(network, cache=cache, weights=_weights_here(network))


def _weights_here(network: NetworkSpec) -> Weights:
    weights = network.weights
    if weights.path is None or Path(weights.path).is_file():
        return weights
    if weights.origin in ("bundled", "hub"):
        return locate(network.backbone)
    expected, todo = "the file on every machine of the cluster", "put it on storage that all share, at the same path"
    raise WeightsError.of(f"weights {weights.path}", expected=expected, found="no such file", todo=todo)
