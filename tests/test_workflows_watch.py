from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.model import Model
from headstart.errors import DataError, OptionError
from headstart.images.decode import encode
from headstart.workflows.watch import Watch, watch, write_labelling_queue, write_page
from pictures import write_folder


@pytest.fixture(scope="module")
def same(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Watch:
    """Twelve more pictures of each class."""
    new = write_folder(tmp_path_factory.mktemp("new"), {"rings": 12, "stripes": 12}, first_seed=500)
    return watch(run_folder, [new], count=6)


def test_more_of_the_same_raises_no_alarm(same: Watch) -> None:
    assert same.drift.level == "none"
    assert same.trusted
    right = np.mean([p.parent.name == same.classes[i] for p, i in zip(same.paths, same.proba.argmax(1), strict=True)])
    assert same.accuracy.accuracy.low <= right <= same.accuracy.accuracy.high
    assert len(same.labelling_queue) == 6
    assert not same.known


def test_noise_raises_the_alarm_and_what_cannot_be_read_is_named(
    run_folder: Path, photos: Path, tmp_path: Path
) -> None:
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(0, 256, (96, 96, 3)).astype(np.uint8)
        (tmp_path / f"{seed}.png").write_bytes(encode(noise, format="PNG"))
    (tmp_path / "bad.jpg").write_bytes(b"")
    found = watch(run_folder, [tmp_path, photos / "rings" / "000.jpeg"])
    assert found.drift.level == "drift"
    assert not found.trusted
    assert [(Path(name).name, reason) for name, reason in found.left_out] == [("bad.jpg", "empty file: fetch it again")]
    assert [found.paths[i].name for i in found.known] == ["000.jpeg"]
    document = found.to_dict()
    assert document["estimate"]["trusted"] is False
    assert set(document["drift"]["mix"]) == {"rings", "stripes"}


def test_the_queue_never_names_copies_in_the_cache(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "new"), "zip", photos)
    with pytest.raises(OptionError, match="found: copies in the cache\n   to do: unpack or fetch the pictures"):
        watch(run_folder, [archive], to_label=True)
    found = watch(run_folder, [archive])
    assert [found.names[i] for i in found.known][:1] == ["rings/000.jpeg"]
    assert len(found.known) == 40


def test_the_queue_is_a_table_to_fill_in(same: Watch, tmp_path: Path) -> None:
    write_labelling_queue(tmp_path / "queue.csv", same)
    with (tmp_path / "queue.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [Path(row["path"]) for row in rows] == [same.paths[i].absolute() for i in same.labelling_queue]
    assert {row["label"] for row in rows} == {""}
    assert {row["answer"] for row in rows} <= set(same.classes)


def test_the_page_says_it_in_words(same: Watch, tmp_path: Path) -> None:
    write_page(tmp_path / "watch.html", same, "headstart watch run new")
    page = (tmp_path / "watch.html").read_text(encoding="utf-8")
    assert "no drift was found" in page
    assert "Worth a label next" in page
    assert page.count("data:image/jpeg") == 6


def test_nothing_to_look_at_is_an_error(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to watch"):
        watch(run_folder, [tmp_path])


def test_unfamiliar_means_what_it_means_where_the_model_predicts(same: Watch, run_folder: Path) -> None:
    predictions = Model.load(run_folder).predict(same.paths)
    assert same.drift.unfamiliar is not None
    assert [prediction.unfamiliar for prediction in predictions] == same.drift.unfamiliar.tolist()
