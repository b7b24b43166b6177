from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from headstart.errors import OptionError
from headstart.features.calls import Ended, as_they_come

pytestmark = pytest.mark.slow  # Ray is started


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray = pytest.importorskip("ray")
        ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=10**8, log_to_driver=False)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        yield ray
        ray.shutdown()


def squared(item: int) -> int:
    """Of a negative number the process ends."""
    if item < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return item**2


def test_every_item_has_an_answer_and_what_ends_its_process_a_reason(ray: Any) -> None:
    found = dict(as_they_come(ray, squared, [1, 2, -1, 3], cpus=64, gpu=False))
    assert isinstance(lost := found.pop(2), Ended)
    assert lost.reason
    assert found == {0: 1, 1: 4, 3: 9}


def test_what_a_call_raises_ends_the_run(ray: Any) -> None:
    with pytest.raises(TypeError):
        list(as_they_come(ray, squared, ["no number"], cpus=1, gpu=False))


def test_without_a_machine_that_has_a_gpu_nothing_is_begun(ray: Any) -> None:
    with pytest.raises(OptionError, match="it needs free GPUs"):
        next(as_they_come(ray, squared, [1], cpus=1, gpu=True))
