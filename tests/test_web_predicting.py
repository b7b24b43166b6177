from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from command import headstart
from headstart.images.decode import encode
from headstart.workflows.serve import ServeOptions
from pictures import draw
from server import in_thread


@pytest.fixture(scope="module")
def address(run_folder: Path) -> Iterator[str]:
    with in_thread(run_folder, ServeOptions(workers=1, drain_seconds=0)) as (address, _):
        yield address


def drawn(seed: int, format: str = "JPEG") -> bytes:
    return encode(draw("rings", 700 + seed, side=300), format=format)


def test_an_answer_is_the_row_that_predict_prints(run_folder: Path, address: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed}.{kind.lower()}" for seed, kind in enumerate(("JPEG", "PNG", "WEBP"))]
    for seed, path in enumerate(paths):
        path.write_bytes(drawn(seed, path.suffix[1:].upper()))
    printed = json.loads(headstart("predict", run_folder, *paths, "--json", "--top", "2", "--coverage", "0.8").stdout)
    files = [("picture", (str(path), path.read_bytes())) for path in paths]
    answered = requests.post(f"{address}/predict?coverage=0.8", files=files, timeout=60)
    assert answered.status_code == 200
    document = answered.json()
    assert [*document] == [*printed]
    for found, expected in zip(document["predictions"], printed["predictions"], strict=True):
        assert [*found] == [*expected]
        for name in ("probability", "novelty"):  # the last bits depend on how many are multiplied together
            assert found.pop(name) == pytest.approx(expected.pop(name), abs=1e-9)
        assert dict(found.pop("top")) == pytest.approx(dict(expected.pop("top")), abs=1e-9)
        assert found == expected
    printed = headstart("predict", run_folder, paths[1], "--json")
    single = requests.post(f"{address}/predict?top=1", data=paths[1].read_bytes(), timeout=60).json()
    assert single["predictions"][0]["probability"] == json.loads(printed.stdout)["predictions"][0]["probability"]
    assert [single["predictions"][0]["path"], len(single["predictions"][0]["top"])] == [None, 1]
