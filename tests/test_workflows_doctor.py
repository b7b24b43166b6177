from __future__ import annotations

from pathlib import Path

import pytest

from headstart.workflows.doctor import examine


def test_a_sound_machine_has_facts_and_no_problems() -> None:
    findings = examine()
    assert findings["problems"] == []
    assert findings["facts"]["precision on CPU"] in ("bf16", "f32")
    assert "efficientnet_lite0" in findings["facts"]["backbones ready"]


def test_a_cache_that_cannot_be_made_is_a_problem_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file"))
    (problem,) = examine()["problems"]
    assert "set HEADSTART_CACHE to another folder" in problem


def test_a_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.workflows.doctor.NEEDED", ("numpy", "openvino", "no-such-package"))
    assert examine()["problems"] == ["the package no-such-package is missing: pip install headstart"]
