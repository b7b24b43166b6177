from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.deploy.kit import Target
from headstart.errors import MissingPackageError, OptionError
from headstart.workflows import pack_wheels
from headstart.workflows.pack_installed import wheel_of
from headstart.workflows.pack_wheels import fetch, lock
from wheels import write_wheel

WINDOWS = Target.named("windows-x86_64", "3.12")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pip and three small packages, one of which is built for Windows alone."""
    folder = tmp_path_factory.mktemp("wheels")
    wheel_of("pip", folder)
    write_wheel(folder / "outer-1.0-py3-none-any.whl", "outer", "1.0", "Requires-Dist: inner>=1")
    write_wheel(folder / "inner-1.1-cp312-cp312-win_amd64.whl", "inner", "1.1")
    write_wheel(folder / "inner-1.2-cp311-cp311-manylinux2014_x86_64.whl", "inner", "1.2")
    return folder


def test_what_is_needed_comes_with_what_that_needs_for_the_machine_that_was_named(source: Path, tmp_path: Path) -> None:
    wheels = fetch(["outer"], WINDOWS, tmp_path / "wheels", source)
    assert [wheel.file for wheel in wheels][:2] == ["inner-1.1-cp312-cp312-win_amd64.whl", "outer-1.0-py3-none-any.whl"]
    assert [wheel.name for wheel in wheels] == ["inner", "outer", "pip"]
    assert lock(wheels).splitlines() == [
        f"inner==1.1 --hash=sha256:{wheels[0].sha256}",
        f"outer==1.0 --hash=sha256:{wheels[1].sha256}",
    ]


def test_wheels_that_are_not_there_are_an_error_that_says_how_to_fetch_them(source: Path, tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"found: No matching distribution found for inner>=1.*\n   to do: `pip download"
    ):
        fetch(["outer"], Target.named("macos-arm64", "3.12"), tmp_path / "wheels", source)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (
            "WARNING: Retrying after NewConnectionError('no')\nERROR: No matching distribution found for outer\n",
            "a package index that pip reaches\n   found: none that answers\n   to do: pack where ",
        ),
        (
            "ERROR: No matching distribution found for outer\n",
            "wheels for Python 3.12 on windows-x86_64\n   found",
        ),
    ],
)
def test_without_a_network_one_error_says_so(
    said: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        subprocess, "run", lambda words, **_: subprocess.CompletedProcess(words, 1, stdout="", stderr=said)
    )
    with pytest.raises(OptionError) as refused:
        fetch(["outer"], WINDOWS, tmp_path / "wheels", None)
    assert found in str(refused.value)
    assert len(refused.value.problems) == 1


def test_without_pip_the_error_has_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))
    with pytest.raises(MissingPackageError, match="python -m ensurepip"):
        fetch(["outer"], WINDOWS, tmp_path, None)


def test_versions_are_those_that_are_installed_here() -> None:
    lines = [*pack_wheels._installed()]
    assert f"numpy=={sys.modules['numpy'].__version__}" in lines
    assert not [line for line in lines if line.startswith(("pip==", "headstart=="))]
