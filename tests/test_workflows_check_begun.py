from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.features.table import Workbench
from headstart.options import FitOptions
from headstart.workflows.check_begun import begun
from pictures import write_folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos", {"rings": 4, "stripes": 4}, side=40)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """At which networks were begun."""
    asked: list[int] = []
    monkeypatch.setattr(Workbench, "begin", lambda self, size: asked.append(size))
    return asked


def test_the_network_is_begun_at_the_smallest_size(photos: Path, tmp_path: Path, sizes: list[int]) -> None:
    told: list[list[int]] = []
    for options in (FitOptions(), FitOptions(sizes=(96, 160))):
        with begun(photos, tmp_path / "out", options, tell=lambda images: told.append([*sizes])) as (images, bench):
            assert len(images) == 8
            assert bench.network.backbone.name == options.backbone
    assert sizes == [224, 96]
    assert told == [[], [224]]  # each time before it


def test_nothing_is_begun_where_the_pictures_or_the_folder_will_not_do(
    photos: Path, tmp_path: Path, sizes: list[int]
) -> None:
    def refuse(_: object) -> None:
        raise OptionError.of("pictures", expected="others", found="these", todo="stop")

    with pytest.raises(OptionError, match="found: these"), begun(photos, tmp_path / "out", FitOptions(), tell=refuse):
        pass
    with pytest.raises(OptionError, match="outside the pictures"), begun(photos, photos / "out", FitOptions()):
        pass
    assert sizes == []
    assert not (tmp_path / "out").exists()


def test_the_modules_that_come_later_are_loaded_later(photos: Path, tmp_path: Path) -> None:
    script = """if True:
        import sys
        from pathlib import Path
        from headstart.features.table import Workbench
        from headstart.options import FitOptions
        from headstart.workflows.check_begun import begun

        def begin(self, size):
            print(sorted({"scipy", "jinja2", "headstart.pipeline", "headstart.audit"} & set(sys.modules)))

        Workbench.begin = begin
        with begun(sys.argv[1], Path(sys.argv[2]), FitOptions()):
            pass
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(photos), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("\n")[0] == "[]", done.stderr
