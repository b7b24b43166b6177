from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np

from command import headstart, typed
from headstart.store import open_store


def test_doctor_says_what_works_here() -> None:
    done = headstart("doctor", "--json")
    findings = json.loads(done.stdout)
    assert (done.returncode, findings["problems"]) == (0, [])
    assert "efficientnet_lite0" in findings["facts"]["backbones"]


def test_cache_shows_and_clears(tmp_path: Path) -> None:
    private = tmp_path / "cache"
    shutil.copytree(os.environ["HEADSTART_CACHE"], private)
    with open_store(private) as store:
        store.write({"space": {"ab" * 32: np.ones(3, np.float32)}})
    before = json.loads(typed("cache", "--json", HEADSTART_CACHE=str(private)).stdout)
    assert before["rows"] > 0
    (private / "features.sqlite").write_bytes(b"damaged")
    (private / "cat.jpg").write_text("not ours")
    done = typed("cache", "clear", HEADSTART_CACHE=str(private))
    assert (done.returncode, done.stderr.endswith(" MB freed\n")) == (0, True)
    after = json.loads(typed("cache", "--json", HEADSTART_CACHE=str(private)).stdout)
    assert (after["rows"], sum(after["bytes"].values())) == (0, 0)
    assert [path.name for path in private.iterdir()] == ["cat.jpg"]


def test_list_and_show_say_what_works_here() -> None:
    listed = json.loads(typed("backbones", "list", "--json").stdout)["backbones"]
    ready = {record["name"] for record in listed if record["ready"]}
    assert "efficientnet_lite0" in ready
    shown = json.loads(typed("backbones", "show", "efficientnet_lite0", "--json").stdout)
    assert shown["licence"] == "apache-2.0"
    assert shown["parameters"] == 4_652_008
