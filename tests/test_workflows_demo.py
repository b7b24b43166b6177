from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headstart.errors import MissingPackageError, OptionError
from headstart.images.folder import scan
from headstart.images.recognise import read_header
from headstart.workflows.demo import pictures, write_table


def test_the_demo_pictures_are_there() -> None:
    folder = pictures()
    counts = {path.name: len(list(path.iterdir())) for path in folder.iterdir() if path.is_dir()}
    assert counts == {"nominal": 1_000, "local": 500, "global": 500}
    header = read_header(next((folder / "local").iterdir()))
    assert (header.format, header.width, header.height) == ("JPEG", 250, 250)


def test_the_table_names_the_first_of_each_class(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "table.csv")
    images = scan(tmp_path / "new" / "table.csv")
    counts = [list(images.y).count(k) for k in range(3)]
    assert dict(zip(images.classes, counts, strict=True)) == {"global": 300, "local": 300, "nominal": 600}
    assert {path.name for path in images.paths if path.parent.name == "local"} == {
        f"textile_{number:04d}.jpg" for number in range(1, 301)
    }
    write_table(tmp_path / "new" / "table.csv")
    (tmp_path / "mine.csv").write_text("path,label\na.jpg,x\n", encoding="utf-8")
    with pytest.raises(OptionError, match="which is something else"):
        write_table(tmp_path / "mine.csv")


def test_without_the_package_the_command_to_install_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "conformal_clip_data", None)
    with pytest.raises(MissingPackageError, match=r'pip install "headstart\[demo\]"'):
        pictures()


def test_the_demo_command_writes_a_run(tmp_path: Path) -> None:
    """The command itself, on the first pictures of each class, so that the suite stays short."""
    for folder in sorted(pictures().iterdir()):
        if folder.is_dir():
            (tmp_path / "simulated" / folder.name).mkdir(parents=True)
            for picture in sorted(folder.iterdir())[:12]:
                (tmp_path / "simulated" / folder.name / picture.name).write_bytes(picture.read_bytes())
    script = (
        "import sys, pathlib, conformal_clip_data\n"
        "folder = pathlib.Path(sys.argv.pop(1))\n"
        "conformal_clip_data.textile_simulated_root = lambda: folder\n"
        "from headstart.cli import main\n"
        "main()\n"
    )
    words = [str(tmp_path / "simulated"), "demo", "-o", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    assert "Defects in fabric" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
