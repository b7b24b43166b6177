"""Scripts without a guard, every start method, and a notebook: no child is started that would import the script."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = """
    import multiprocessing
    import sys
    from dataclasses import replace
    from pathlib import Path

    if sys.argv[1] != "default":
        multiprocessing.set_start_method(sys.argv[1])

    print("top level")  # once; a second time would mean that a child imported the script

    from headstart import ImageClassifier
    from headstart.recipes.records import get
    from headstart.recipes.runner import run

    photos, out = Path(sys.argv[2]), Path(sys.argv[3])
    classifier = ImageClassifier(sizes=[224]).fit(photos)
    assert len(classifier.predict(sorted(photos.rglob("*.jpeg"))[:3])) == 3
    recipe = get("resnet18-full").on("test_efficientnet.r160_in1k").with_epochs(1).with_views(1)
    recipe = replace(recipe, plan=replace(recipe.plan, size=32))
    print(run(recipe, photos, out, weights="random").evaluation.n)
    assert not multiprocessing.active_children()
"""


@pytest.mark.parametrize("method", ["default", "spawn", "forkserver"])
def test_a_script_without_a_guard(method: str, photos: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    words = [sys.executable, "-W", "error", str(script), method, str(photos), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["top", "level", "8"]
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_notebook_cell(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real kernel, in which there is an event loop and no script file."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cell = f"""
        from pathlib import Path
        from headstart import ImageClassifier
        photos = Path({str(photos)!r})
        classifier = ImageClassifier(sizes=[224]).fit(photos)
        paths = sorted(photos.rglob("*.jpeg"))
        print(classifier.classes_.tolist(), classifier.score(paths, [path.parent.name for path in paths]) > 0.9)
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell))])
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute(env={**os.environ})
    (answer,) = (output.text for output in notebook.cells[0].outputs if output.output_type == "stream")
    assert answer.split("\n")[0] == "['rings', 'stripes'] True"
