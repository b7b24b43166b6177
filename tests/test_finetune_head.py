from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.errors import OptionError
from headstart.finetune.head import build_head
from headstart.finetune.plan import Head
from headstart.probe.heads import LinearHead


def test_a_head_begins_as_the_probe_calibrated() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(7, 5)).astype(np.float32)
    for k, logit in ((3, "per class"), (2, "one"), (2, "per class")):
        weight, bias = rng.normal(size=(5, k)).astype(np.float32), rng.normal(size=k).astype(np.float32)
        probe = LinearHead(weight=weight, bias=bias, temperature=1.7)
        head = build_head(Head(start="probe", logit=logit), (5,), k, seed=0, probe=probe)  # type: ignore[arg-type]
        logits = head(torch.from_numpy(X)).detach()
        second = torch.sigmoid(logits) if logit == "one" else torch.softmax(logits, 1)[:, -1:]
        np.testing.assert_allclose(second[:, 0].numpy(), probe.predict_proba(X)[:, -1], atol=1e-6)


def test_a_fresh_head_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    a = build_head(Head(), (5,), 2, seed=3)[-1].weight
    torch.manual_seed(2)
    b = build_head(Head(), (5,), 2, seed=3)[-1].weight
    assert torch.equal(a, b)
    assert not torch.equal(a, build_head(Head(), (5,), 2, seed=4)[-1].weight)


def test_a_head_may_begin_as_keras_draws_it() -> None:
    head = build_head(Head(start="glorot", hidden=(256,), logit="one"), (1280,), 2, seed=0)
    hidden, last = head[0], head[2]
    for dense in (hidden, last):
        reach = (6 / (dense.in_features + dense.out_features)) ** 0.5
        assert 0.95 * reach < dense.weight.abs().max() <= reach
        assert dense.weight.std().item() == pytest.approx(reach / 3**0.5, rel=0.1)
        assert not dense.bias.any()


def test_a_probe_of_other_features_is_refused() -> None:
    probe = LinearHead(weight=np.ones((4, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    with pytest.raises(OptionError, match="expected: a probe of 5 features and 2 classes to begin with"):
        build_head(Head(start="probe"), (5,), 2, seed=0, probe=probe)
