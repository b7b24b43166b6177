from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.workflows import pack_installed
from headstart.workflows.pack_installed import installed_extras, own_wheel, wheel_of
from wheels import write_wheel


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package that pip has installed there, from a wheel that was made of another."""
    folder = tmp_path / "site"
    wheel = wheel_of("packaging", tmp_path)
    words = ["install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *words, str(wheel)], check=True)
    monkeypatch.syspath_prepend(folder)
    return folder


def test_an_installed_package_becomes_the_wheel_again(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = next(tmp_path.glob("packaging-*-py3-none-any.whl"))
    again = wheel_of("packaging", tmp_path / "again")
    assert again.name == first.name
    assert again.read_bytes() == first.read_bytes()
    names = zipfile.ZipFile(again).namelist()
    assert "packaging/__init__.py" in names
    assert not [name for name in names if name.endswith((".pyc", "INSTALLER", "REQUESTED", "direct_url.json"))]


def test_a_package_that_was_changed_is_not_passed_on(installed: Path, tmp_path: Path) -> None:
    (installed / "packaging" / "version.py").write_text("changed")
    with pytest.raises(OptionError, match=r"1 changed files, such as packaging/version\.py"):
        wheel_of("packaging", tmp_path)


def test_one_of_several_tags_has_them_in_its_name(tmp_path: Path) -> None:
    assert wheel_of("flatbuffers", tmp_path).name.endswith("-py2.py3-none-any.whl")


def test_optional_parts_are_those_of_which_all_is_installed_here(tmp_path: Path) -> None:
    wheel = tmp_path / "headstart-1-py3-none-any.whl"
    write_wheel(
        wheel,
        "headstart",
        "1",
        "Requires-Dist: nothing-like-it",
        "Requires-Dist: numpy>=1; extra == 'sums'",
        'Requires-Dist: pillow[all]>=1,<99; extra == "both"',
        "Requires-Dist: nothing-like-it; extra == 'both'",
        "Requires-Dist: nothing-like-it; sys_platform == 'win32' and extra == 'sums'",
        "Requires-Dist: headstart[sums]; extra == 'all'",
    )
    assert installed_extras(wheel) == ["sums"]


def test_headstart_that_runs_from_no_checkout_is_what_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_installed, "_SOURCES", tmp_path)
    asked = []
    monkeypatch.setattr(pack_installed, "wheel_of", lambda name, folder: asked.append(name))
    own_wheel(tmp_path)
    assert asked == ["headstart"]


def test_a_checkout_that_cannot_be_built_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'nothing'\n")
    monkeypatch.setattr(pack_installed, "_SOURCES", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(OptionError, match="headstart's own wheel: 1 problem"):
        own_wheel(tmp_path)
