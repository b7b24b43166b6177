from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy.kit import HERE, PLATFORMS, Target, Wheel, least_glibc, this_platform
from headstart.errors import OptionError
from wheels import write_wheel


def test_a_kit_is_for_a_machine_like_this_unless_told_otherwise() -> None:
    here = Target.named(None if this_platform() else "linux-x86_64", None)
    assert here.python == HERE
    assert here.is_here == (this_platform() is not None)
    assert not Target.named("windows-arm64", "3.9").is_here
    with pytest.raises(OptionError, match="one of linux-x86_64, linux-arm64, ") as refused:
        Target.named("amiga", "three")
    assert len(refused.value.problems) == 2
    assert "--python such as 3.12" in str(refused.value)


def test_a_linux_machine_takes_wheels_of_older_systems_and_under_their_old_names() -> None:
    tags = PLATFORMS["linux-x86_64"].tags
    assert {"manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64"} <= {*tags}
    assert "manylinux_2_28_aarch64" in PLATFORMS["linux-arm64"].tags


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        (["License-Expression: MIT", "License: other"], "MIT"),
        (
            [
                "License: Long text",
                "        of a licence",
                "Classifier: License :: OSI Approved :: Apache Software License",
            ],
            "Apache Software License",
        ),
        (["License: BSD", "        and so on"], "BSD"),
        ([], ""),
    ],
)
def test_a_wheel_says_under_which_licence_it_is(said: list[str], licence: str, tmp_path: Path) -> None:
    write_wheel(path := tmp_path / "Some_thing-1.0-py3-none-any.whl", "Some_thing", "1.0", *said)
    wheel = Wheel.of(path)
    assert (wheel.name, wheel.version, wheel.licence) == ("some-thing", "1.0", licence)
    assert wheel.bytes == (tmp_path / wheel.file).stat().st_size


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"none")
    with zipfile.ZipFile(tmp_path / "b-1-py3-none-any.whl", "w") as archive:
        archive.writestr("b.py", "")
    for name in "ab":
        with pytest.raises(OptionError, match="which is none"):
            Wheel.of(tmp_path / f"{name}-1-py3-none-any.whl")


def test_the_oldest_glibc_is_that_of_the_wheel_that_needs_the_newest(tmp_path: Path) -> None:
    write_wheel(path := tmp_path / "a-1-py3-none-any.whl", "a", "1")
    any_ = Wheel.of(path)
    assert least_glibc([any_]) == least_glibc([]) == 0
    old = replace(any_, file="a-1-cp310-abi3-manylinux2014_x86_64.whl")
    two = replace(any_, file="a-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl")
    assert least_glibc([any_, old]) == 17
    assert least_glibc([two, old]) == 27
