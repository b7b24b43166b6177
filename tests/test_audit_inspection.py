from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart.audit.inspection import unseen_proba
from headstart.features.store import FeatureStore
from headstart.images.folder import scan
from headstart.probe.choice import choose
from headstart.probe.trials import ProbeOptions
from pictures import write_folder
from tiny import tiny_table


def test_every_picture_is_answered_by_a_head_that_did_not_know_it(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100)):
        write_folder(tmp_path / "photos" / split, {"rings": 10, "stripes": 10}, first_seed=first, side=40)
    images = scan(tmp_path / "photos")
    train, val = (np.flatnonzero(images.split == split) for split in ("train", "val"))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        choice = choose(table, train, ProbeOptions(sizes=(32,)))
        proba = unseen_proba(table, choice)
        X = table.rows(32, choice.candidate.output, val)
    assert proba.shape == (40, 2)
    np.testing.assert_array_equal(proba[train], choice.proba)
    np.testing.assert_allclose(proba[val], choice.head.predict_proba(X))
