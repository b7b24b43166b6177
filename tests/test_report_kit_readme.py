from __future__ import annotations

import re
from dataclasses import replace

from headstart.deploy.kit import MOST_RUN, Target, Wheel
from headstart.report.kit_readme import readme

WHEEL = Wheel(
    name="some-thing", version="1.0", file="a-1-cp312-cp312-manylinux2014_x86_64.whl", licence="MIT", sha256="", bytes=1
)


def test_it_says_for_which_machine_it_is_how_to_install_and_under_which_licences() -> None:
    text = readme("leaves *", Target.named("linux-x86_64", "3.12"), [WHEEL], full=False)
    assert text.startswith("# leaves \\*\n")
    assert "It is for Python 3.12 on linux-x86_64 with glibc 2.17 or newer" in text
    assert re.search(r"^python3\.12 KIT install FOLDER +#", text, re.MULTILINE)
    assert "FOLDER/classify --verify" in text
    assert "| some-thing | 1.0 | MIT |" in text


def test_one_for_windows_has_its_commands() -> None:
    text = readme("leaves", Target.named("windows-x86_64", "3.12"), [], full=False)
    assert "py -3.12 KIT check" in text
    assert "FOLDER\\classify PICTURES" in text
    assert "glibc" not in text


def test_a_full_one_says_what_else_it_does() -> None:
    text = readme("leaves", Target.named("linux-x86_64", "3.12"), [WHEEL], full=True)
    assert "This is all of headstart" in text
    assert "FOLDER/env/bin/headstart verify FOLDER/model" in text
    assert "or the zip that it came in, as it is." in text


def test_one_that_python_does_not_run_as_a_zip_says_so() -> None:
    text = readme("leaves", Target.named("linux-x86_64", "3.12"), [replace(WHEEL, bytes=MOST_RUN + 1)], full=True)
    assert "what came as one is unpacked first" in text
    assert "as it is" not in text
