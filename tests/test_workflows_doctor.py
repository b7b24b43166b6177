from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.cli.machine import _facts, _problems
from headstart.files import plain
from headstart.workflows.doctor import examine


def test_a_sound_machine_has_facts_and_no_problems() -> None:
    machine = examine()
    assert _problems(machine) == []
    assert "efficientnet_lite0" in machine.backbones
    facts = dict(line.split(maxsplit=1) for line in _facts(machine))
    assert facts["numpy"] == machine.packages["numpy"]
    assert f"precision on CPU       {'f32, or bf16 if asked for' if machine.bf16 else 'f32'}" in list(_facts(machine))
    assert json.loads(json.dumps(plain(machine)))["backbones"] == list(machine.backbones)


def test_it_reads_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "new" / "cache"))
    assert examine().cache_writable
    assert not (tmp_path / "new").exists()


def test_a_cache_that_cannot_be_made_is_a_problem_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "file"))
    (problem,) = _problems(examine())
    assert "set HEADSTART_CACHE to another folder" in problem


def test_a_missing_package_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.workflows.doctor.NEEDED", ("numpy", "openvino", "no-such-package"))
    assert _problems(examine()) == ["the package no-such-package is missing: pip install headstart"]


def test_a_source_checkout_that_is_not_installed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.workflows.doctor.version", lambda package: "not installed")
    assert "headstart              not installed" in list(_facts(examine()))
