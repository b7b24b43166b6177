from __future__ import annotations

from pathlib import Path

from headstart import pipeline
from headstart.images.grouping import read
from headstart.options import FitOptions


def test_a_model_knows_its_training_when_not_to_answer_and_what_mistakes_cost(photos: Path, tmp_path: Path) -> None:
    costs = tmp_path / "costs.csv"
    costs.write_text("truth,rings,stripes,ask\nrings,0,1,0.1\nstripes,5,0,0.1\n")
    options = FitOptions(sizes=(224,), finetune="never", cost=str(costs), random_state=2)
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(photos), options, bench, evaluate=False)
    model = fitted.model
    assert model.training["class_counts"] == {"rings": 20, "stripes": 20}
    assert model.training["random_state"] == 2
    assert model.training["fingerprint"] == fitted.images.fingerprint()
    assert model.backbone["name"] == "efficientnet_lite0"
    assert model.abstention.novelty is not None
    assert model.abstention.costs is not None
    assert model.abstention.costs.answers == ("rings", "stripes", "ask")
