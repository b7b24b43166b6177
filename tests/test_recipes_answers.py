from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.backbones import catalog
from headstart.backbones.weights import locate_named
from headstart.errors import DataError
from headstart.evaluation.measured_on import MeasuredOn
from headstart.finetune.loop import finetune
from headstart.finetune.result import FineTuned
from headstart.images.folder import scan
from headstart.recipes.answers import answer
from headstart.recipes.records import get
from headstart.recipes.runner import job_of
from pictures import write_folder


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    """A head on a tiny network, 24 pictures of each class to validate on and 4 to test."""
    root = tmp_path_factory.mktemp("answers")
    for split, count, first in (("train", 6, 0), ("val", 24, 50), ("test", 4, 90)):
        write_folder(root / split, {"rings": count, "stripes": count}, side=32, first_seed=first)
    recipe = get("resnet18-frozen").on("test_efficientnet.r160_in1k").with_epochs(1)
    recipe = replace(recipe, plan=replace(recipe.plan, size=32))
    weights = locate_named(catalog.get(recipe.backbone), "random")
    return finetune(job_of(recipe, scan(root), weights, seed=0))


def test_the_model_answers_all_pictures_and_knows_when_not_to(tuned: FineTuned) -> None:
    answers = answer(tuned, recipe="resnet18-frozen")
    job, abstention = answers.job, answers.model.abstention
    assert answers.proba.shape == (len(job.images), 2)
    assert answers.proba[job.val] == pytest.approx(tuned.val_proba(), abs=0.01)  # its rows are rounded to bf16
    assert abstention.sets is not None
    assert abstention.novelty is not None
    assert abstention.novelty.n == len(job.train) == 12
    test = answers.part(MeasuredOn(kind="split", split="test"))
    assert test.index.tolist() == np.flatnonzero(job.images.split == "test").tolist()
    assert len(answers.part(MeasuredOn(kind="all held out", n=56)).index) == 56
    assert answers.abstention(test).unfamiliar is not None  # of pictures that nothing was learned from
    assert answers.abstention(answers.part(MeasuredOn(kind="split", split="val"))).unfamiliar is None


def test_a_picture_that_can_no_longer_be_read_is_named(tuned: FineTuned) -> None:
    (path, *_) = tuned.activations.job.images.paths
    content = path.read_bytes()
    path.write_bytes(b"no picture")
    try:
        with pytest.raises(DataError, match="a picture that can still be read") as caught:
            answer(tuned, recipe="resnet18-frozen")
        assert str(path) in str(caught.value)
    finally:
        path.write_bytes(content)
