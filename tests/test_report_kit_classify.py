"""The client of a kit, asked in this process, against the model."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from headstart.deploy.model import Model
from headstart.images.decode import encode
from headstart.images.grey_levels import Levels
from headstart.images.transforms import Geometry
from headstart.workflows.export import export
from models import CLASSES, SIZE, write_model
from pictures import draw, scene

CLIENT = Path(__file__).parent.parent / "src/headstart/report/kit/classify.py"


@pytest.fixture
def client(small_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("kit_classify", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "MODEL", small_onnx)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    return module


def asked(client: ModuleType, monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr("sys.argv", ["classify", *map(str, words)])
    try:
        return int(client.main())
    except SystemExit as end:
        return int(end.code or 0)


def write_kinds(folder: Path) -> None:
    """A picture of every kind that is decoded in its own way."""
    folder.mkdir()
    pixels = draw("rings", 1, side=90)[:, :70]
    for name in ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP"):
        (folder / f"format.{name.lower()}").write_bytes(encode(pixels, format=name))
    image, exif = Image.fromarray(scene(2)), Image.Exif()
    exif[0x0112] = 6
    image.save(folder / "turned.jpg", exif=exif)
    alpha = np.dstack([pixels, pixels[..., 0]])
    Image.fromarray(alpha).save(folder / "transparent.png")
    Image.fromarray(pixels).convert("P").save(folder / "palette.png", transparency=3)
    Image.fromarray(pixels[..., 1]).save(folder / "grey.png")
    Image.fromarray(pixels).convert("CMYK").save(folder / "print.jpg")
    Image.fromarray(pixels[..., 1].astype(np.uint16) << 8).save(folder / "sixteen.png")


def test_every_kind_of_picture_is_answered_as_by_the_model(
    client: ModuleType, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kinds(tmp_path / "new")
    table = tmp_path / "answers.csv"
    assert asked(client, monkeypatch, tmp_path / "new", "-o", table) == 0
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    paths = sorted((tmp_path / "new").iterdir())
    assert [row["path"] for row in rows] == [str(path) for path in paths]
    for row, answer in zip(rows, Model.load(small_model, precision="f32").predict(paths), strict=True):
        assert answer.proba is not None
        assert [float(row[name]) for name in CLASSES] == pytest.approx(answer.proba.tolist(), abs=0.01), row["path"]
        assert row["label"] == CLASSES[int(answer.proba.argmax())]
        assert (row["unsure"], row["unfamiliar"]) == tuple(
            "yes" if said else "no" for said in (answer.unsure, answer.unfamiliar)
        )
        assert float(row["novelty"]) == pytest.approx(answer.novelty, abs=0.02)


def test_what_cannot_be_read_has_the_reason_in_its_row(
    client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "=broken.png").write_bytes(encode(draw("rings", 1), format="PNG")[:500])
    (tmp_path / "dark.png").write_bytes(b"")
    Image.fromarray(np.full((40, 40), 900, np.uint16)).save(tmp_path / "dark.png")
    (tmp_path / "good.png").write_bytes(encode(draw("rings", 1), format="PNG"))
    monkeypatch.chdir(tmp_path)
    names = ["=broken.png", "dark.png", "gone.png", "good.png"]
    assert asked(client, monkeypatch, *names) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("\t")[0] for line in lines] == names
    assert [line.partition("\t")[2].startswith("not read: ") for line in lines] == [True, True, True, False]
    assert "more than 8 bits a channel, of a kind" in lines[1]
    assert asked(client, monkeypatch, *names, "-o", "answers.csv") == 1
    assert "1 of 4 pictures labelled: answers.csv" in capsys.readouterr().err
    assert (tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()[1].startswith("'=broken.png,")
    assert asked(client, monkeypatch, "good.png", "-o", "answers.csv") == 0


def test_the_table_of_somebody_else_is_never_replaced(
    client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    assert asked(client, monkeypatch, tmp_path, "-o", tmp_path / "mine.csv") == 2
    assert asked(client, monkeypatch) == 2
    said = capsys.readouterr().err
    assert "is there and is something else" in said
    assert "no pictures were given" in said
    assert (tmp_path / "mine.csv").read_text() == "mine"


def test_golden_pictures_of_16_bits_hold_too(
    client: ModuleType, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    geometry = Geometry(size=SIZE, levels=Levels(integers=(0.0, 4095.0)))
    model = write_model(tmp_path / "deep", cache, geometry=geometry)
    monkeypatch.setattr(client, "MODEL", export(model, "onnx", tmp_path / "deep.onnx").path)
    assert asked(client, monkeypatch, "--verify") == 0
    assert "5 golden pictures are answered as the model did" in capsys.readouterr().out
    monkeypatch.setattr(client, "SAME", 0.0)
    assert asked(client, monkeypatch, "--verify") == 1
    assert "OTHERWISE" in capsys.readouterr().out
