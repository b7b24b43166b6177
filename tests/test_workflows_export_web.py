"""The web export in a real browser, from a host of static files on loopback."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from browser import CHROMIUM, browser, host
from headstart.deploy.model import Model
from headstart.errors import OptionError
from headstart.images.decode import encode
from headstart.workflows import export_web
from headstart.workflows.export import ExportOptions, export
from models import CLASSES
from pictures import scene

NODE_MODULES = Path(__file__).parent.parent / "examples" / "node_modules"
needs = pytest.mark.skipif(
    not (CHROMIUM and NODE_MODULES.is_dir()) and not os.environ.get("CI"),
    reason="needs Chromium, and npm ci in examples/",
)


@pytest.fixture(scope="module")
def site(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(small_model, "web", tmp_path_factory.mktemp("web") / "site", ExportOptions(runtime=NODE_MODULES)).path


@needs
def test_the_page_answers_as_the_model_does_and_asks_nobody_else(site: Path, small_model: Path, tmp_path: Path) -> None:
    picture = tmp_path / "scene.png"
    picture.write_bytes(encode(scene(3, size=(120, 500)), format="PNG"))
    (ours,) = Model.load(small_model, precision="f32").predict([picture])
    with host(site) as address, browser(tmp_path / "profile") as page:
        page.open(f"{address}/index.html")
        page.until("document.querySelector('#file')?.disabled === false")
        page.run("document.querySelector('#check').click()")
        page.until("document.querySelector('#checked').dataset.apart")
        assert float(page.run("document.querySelector('#checked').dataset.apart")) < 1e-3
        page.choose("#file", picture)
        page.until("!document.querySelector('#answer').hidden")
        assert page.run("document.querySelector('#label').textContent") == CLASSES[int(np.argmax(ours.proba))]  # type: ignore[arg-type]
        shown = page.run(
            "[...document.querySelectorAll('#bars li')].map(li => [li.firstChild.textContent, li.lastChild.value])"
        )
        assert dict(shown) == pytest.approx(dict(zip(CLASSES, ours.proba.tolist(), strict=True)), abs=1e-3)  # type: ignore[union-attr]
        assert page.run("document.querySelector('#unsure').hidden") == (not ours.unsure)
        assert page.run("document.querySelector('#unfamiliar').hidden") == (not ours.unfamiliar)
        page.choose("#file", site / "manifest.json")
        page.until("document.querySelector('#status').textContent.startsWith('This cannot be read as a picture')")
        assert page.requests
        assert all(request.startswith((address, "blob:", "data:")) for request in page.requests)


@needs
def test_the_camera_is_looked_at_until_it_is_stopped(site: Path, tmp_path: Path) -> None:
    with host(site) as address, browser(tmp_path / "profile") as page:
        page.open(f"{address}/index.html")
        page.until("document.querySelector('#camera')?.disabled === false")
        page.run("document.querySelector('#camera').click()")
        page.until("!document.querySelector('#answer').hidden && !document.querySelector('#video').hidden")
        page.run("document.querySelector('#camera').click()")
        page.until("document.querySelector('#video').hidden")


@needs
def test_a_second_export_replaces_the_first_and_nothing_else(site: Path, small_model: Path, tmp_path: Path) -> None:
    export_web.refuse(site)
    assert json.loads((site / "manifest.json").read_text(encoding="utf-8"))["classes"] == list(CLASSES)
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(OptionError, match="of something else"):
        export(small_model, "web", tmp_path, ExportOptions(runtime=NODE_MODULES))
    assert (tmp_path / "index.html").read_text() == "mine"


def test_without_the_runtime_the_error_has_the_command(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for runtime in (None, tmp_path):
        with pytest.raises(OptionError, match="npm install onnxruntime-web"):
            export(small_model, "web", tmp_path / "site", ExportOptions(runtime=runtime))
    assert not (tmp_path / "site").exists()
