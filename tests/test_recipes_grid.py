from __future__ import annotations

import pytest

from headstart.errors import OptionError
from headstart.recipes import records
from headstart.recipes.grid import TABLES, grid, in_common, of_table, published_table

BASE = records.get("resnet18-frozen")


def test_every_combination_is_there_and_named_by_what_varies() -> None:
    settings = grid(
        BASE, backbones=["efficientnet_lite0"], lrs=[1e-3, 0.1], batch_sizes=[4, 8], modes=["frozen", "full"]
    )
    assert [one.name for one in settings[:3]] == [
        "lr 0.001 batch 4 frozen",
        "lr 0.001 batch 4 full",
        "lr 0.001 batch 8 frozen",
    ]
    assert len({one.name for one in settings}) == 8
    last = settings[-1].recipe
    (phase,) = last.plan.phases
    assert (last.backbone, phase.optimiser.lr, phase.batch_size, phase.train_from) == (
        "efficientnet_lite0", 0.1, 8, "all",
    )  # fmt: skip
    assert phase.schedule == BASE.plan.phases[0].schedule
    assert phase.optimiser.momentum == 0.9


def test_what_is_not_said_stays_as_the_recipe_has_it() -> None:
    (only,) = grid(BASE)
    assert only.recipe == BASE
    assert only.name == BASE.name
    (shorter,) = grid(BASE, sizes=[160, 160], epochs=40)
    assert shorter.name == "160 px"
    assert (shorter.recipe.plan.size, shorter.recipe.plan.phases[0].epochs) == (160, 40)


def test_what_settings_share_is_said_once() -> None:
    assert in_common(grid(BASE, lrs=[1e-3, 0.1], sizes=[160], modes=["full"])) == {
        "backbone": "resnet18", "size": "160 px", "training from": "all", "epochs": "25", "optimiser": "sgd",
        "batch": "4", "views": "crop, fresh",
    }  # fmt: skip


def test_momentum_belongs_to_sgd() -> None:
    adam, sgd = (one.recipe.plan.phases[0].optimiser for one in grid(BASE, optimisers=["adam", "sgd"]))
    assert (adam.name, adam.momentum, adam.lr) == ("adam", 0.0, 1e-3)
    assert sgd == BASE.plan.phases[0].optimiser
    phases = grid(records.get("mobilenetv2-two-phase"), optimisers=["sgd"])[0].recipe.plan.phases
    assert [phase.optimiser.momentum for phase in phases] == [0.9, 0.9]


def test_later_phases_keep_their_ratio_to_the_first_rate() -> None:
    (only,) = grid(records.get("mobilenetv2-two-phase"), lrs=[3e-4])
    first, second = (phase.optimiser.lr for phase in only.recipe.plan.phases)
    assert first == 3e-4
    assert second == pytest.approx(3e-5)


def test_all_that_has_no_meaning_is_named_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        grid(records.get("vgg16-dense256"), modes=["full"], optimisers=["lion"])
    assert "2 phases in vgg16-dense256" in str(caught.value)
    assert "found: lion" in str(caught.value)
    for options in ({"lrs": [-1.0]}, {"lrs": [1e-2, 0.0]}):
        with pytest.raises(OptionError, match="expected: --lr: a number above 0"):
            grid(BASE, **options)
    with pytest.raises(OptionError, match="--size: 32 or more"):
        grid(BASE, sizes=[0])
    with pytest.raises(OptionError, match="to do: change --batch-size"):
        grid(BASE, batch_sizes=[0])


def test_a_published_table_becomes_settings() -> None:
    settings = {one.name: one for one in of_table(published_table("resnet18"), ["efficientnet_lite0"])}
    assert len(settings) == 8
    c = settings["C full"]
    assert c.recipe.backbone == "efficientnet_lite0"
    assert (c.recipe.plan.phases[0].optimiser.lr, c.recipe.plan.phases[0].batch_size) == (0.1, 4)
    assert c.recipe.plan.phases[0].epochs == 25
    assert c.published is not None
    assert c.published.accuracy == 0.9542
    assert settings["VGG16 full"].recipe.backbone == "vgg16"
    assert settings["VGG16 full"].recipe.plan.phases[0].epochs == 20
    both = of_table(published_table("resnet18"), ["efficientnet_lite0", "efficientnet_lite2"], epochs=1)
    assert both[-1].recipe.backbone == "efficientnet_lite2"
    with pytest.raises(OptionError, match="name at most 2, in place of resnet18, vgg16"):
        of_table(published_table("resnet18"), ["a", "b", "c"])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_are_recipes_and_claims_are_rows_that_the_figures_bear_out(table) -> None:  # type: ignore[no-untyped-def]
    accuracy = {row.name: row.accuracy for row in table.rows}
    assert len(accuracy) == len(table.rows)
    for row in table.rows:
        assert records.get(row.recipe).plan.phases[0].optimiser.name == "sgd"
        pictures = row.accuracy * table.n
        assert abs(pictures - round(pictures)) < 0.02  # four digits of a whole number of pictures
    for claim in table.claims:
        others = [claim.worse] if claim.worse else [name for name in accuracy if name != claim.better]
        assert all(accuracy[claim.better] > accuracy[name] for name in others)
    seconds = {row.name: row.seconds for row in table.rows}
    for slower, faster, times in table.time_claims:
        assert seconds[slower] / seconds[faster] == pytest.approx(times, abs=0.005)
        assert times > 1


def test_an_unknown_table_gets_the_names() -> None:
    assert published_table("resnet18").n == 153
    with pytest.raises(OptionError, match="expected: one of resnet18"):
        published_table("resnet50")
