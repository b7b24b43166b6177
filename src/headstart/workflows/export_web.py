"""A folder of static files that classifies pictures in the browser, on any host, with no server and no network."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from headstart.deploy.export import Exported
from headstart.deploy.manifest import SAME
from headstart.errors import OptionError
from headstart.files import plain, write_bytes, write_json
from headstart.output_folder import claim, refuse_unsafe

KIND = "web export"
PAGE = ("index.html", "style.css", "page.mjs")
MODEL, MANIFEST = "model.onnx", "manifest.json"
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What the page needs of onnxruntime-web, from the folder ``dist`` of its package."""
PLACE = "ort"
"""The folder that they are copied to."""


def find_runtime(given: Path | None) -> Path:
    """The folder that holds `RUNTIME`: the one that is given, or one in ``node_modules`` here or above.

    Raises:
        OptionError: with the command that brings the package.
    """
    here = Path.cwd()
    if given is None:
        places = [folder / "node_modules" / "onnxruntime-web" / "dist" for folder in (here, *here.parents)]
    else:
        places = [
            given,
            given / "dist",
            given / "onnxruntime-web" / "dist",
            given / "node_modules/onnxruntime-web/dist",
        ]
    for place in places:
        if all((place / name).is_file() for name in RUNTIME):
            return place
    raise OptionError.of(
        "the web export needs onnxruntime-web",
        expected=f"a folder with {', '.join(RUNTIME)}",
        found=f"none in {given}" if given else f"no node_modules/onnxruntime-web in {here} or above",
        todo="npm install onnxruntime-web, here, or name its folder with --runtime",
    )


def refuse(folder: Path) -> None:
    """Raise OptionError where ``folder`` holds anything but an earlier web export."""
    refuse_unsafe(None, folder, what=KIND, writes=[*PAGE, MODEL, MANIFEST, PLACE])


def write(exported: Exported, folder: Path, runtime: Path, title: str) -> list[Path]:
    """Write the files, whose paths are returned; ``runtime`` is from `find_runtime`, ``title`` that of the page."""
    claim(folder, KIND)
    (folder / PLACE).mkdir(exist_ok=True)
    for name in RUNTIME:
        shutil.copyfile(runtime / name, folder / PLACE / name)
    page = resources.files("headstart.report") / "browser"
    for name in PAGE:
        write_bytes(folder / name, (page / name).read_bytes())
    write_bytes(folder / MODEL, exported.content)
    write_json(folder / MANIFEST, plain(exported.manifest, title=title, tolerance=SAME[exported.manifest.precision]))
    return [*(folder / name for name in (*PAGE, MANIFEST, MODEL)), *(folder / PLACE / name for name in RUNTIME)]
