from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from command import parsed
from headstart.cli.app import repeats, seconds
from headstart.command import PARAMETERS, command, fit_options
from headstart.options import DEFAULTS, FitOptions
from headstart.workflows import check

OTHER = {
    "backbone": "resnet18",
    "weights": "my weights.pth",
    "sizes": [224, 384],
    "finetune": "never",
    "until": "sizes",
    "budget": 90.5,
    "class_weight": "balanced",
    "device": "torch",
    "precision": "f32",
    "group_by": r"(patient[0-9]+)|$",
    "cost": Path("costs of mistakes.csv"),
    "random_state": 7,
}
"""Of every parameter a value that is not its default."""


def test_options_become_words() -> None:
    options = {"-o": Path("runs/a b"), "--size": [224, 384], "--fresh": True, "--json": False, "--top": None, "--x": ()}
    written = command("recipes run", "name", "my photos", options=options)
    assert written == "headstart recipes run name 'my photos' -o 'runs/a b' --size 224 --size 384 --fresh"


def test_options_at_their_default_are_left_out() -> None:
    defaults = {"--count": 24, "--size": (1, 2)}
    assert command("watch", options={"--count": 24, "--size": [1, 2]}, defaults=defaults) == "headstart watch"
    assert command("watch", options={"--count": 0}, defaults=defaults) == "headstart watch --count 0"


def test_names_that_begin_with_a_dash_are_no_options() -> None:
    written = command("explain", "run", "-odd.jpg", options={"-o": "why.html"})
    assert written == "headstart explain -o why.html -- run -odd.jpg"
    assert parsed(written).params["picture"] == "-odd.jpg"


def test_names_are_printable() -> None:
    assert command("train", "caf\udce9\n", options={}) == r"headstart train 'caf\udce9\n'"


def test_every_option_of_training_has_an_option_of_the_command_but_where_things_are_kept() -> None:
    defaults = vars(DEFAULTS)
    assert set(PARAMETERS) == set(defaults) - {"cache"} == set(OTHER)
    assert all(OTHER[name] != value for name, value in defaults.items() if name != "cache")


def read_back(verb: str, name: str, value: Any) -> Any:
    """The value of an option of training after it was written as a command and parsed."""
    options = fit_options(FitOptions.of(**{name: value, "cache": Path("elsewhere")}))
    given = parsed(command(verb, "photos", options={"-o": "out", **options})).params
    assert (given["photos"], given["out"]) == ("photos", Path("out"))
    return seconds(given[name]) if name == "budget" else given[name]


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_command_of_a_run_is_read_back_with_the_same_values(name: str) -> None:
    assert same(read_back("train", name, OTHER[name]), OTHER[name])


@pytest.mark.parametrize("name", check.PARAMETERS)
def test_the_command_of_a_review_is_read_back_with_the_same_values(name: str) -> None:
    assert same(read_back("check", name, OTHER[name]), OTHER[name])


def same(value: Any, expected: Any) -> bool:
    return list(value) == expected if isinstance(expected, list) else str(value) == str(expected)


def test_a_verb_gets_only_what_it_has_an_option_for() -> None:
    options = fit_options(FitOptions.of(**OTHER), only=check.PARAMETERS)
    assert set(options) == {"--backbone", "--size", "--budget", "--group-by", "--seed"}


@pytest.mark.parametrize(
    ("typed", "again"),
    [
        ("watch run new other -o watch.html", "watch run new other -o watch.html"),
        (
            "watch run new --seed 3 --count 24 --json --queue 'to do.csv' --out w.html",
            "watch run new -o w.html --queue 'to do.csv' --seed 3",
        ),
        ("explain run new.jpg --class ants --json -o why.html", "explain run new.jpg -o why.html --class ants"),
        ("compare runs/a runs/b --json", "compare runs/a runs/b"),
        (
            "compare photos --seeds 3 --lr 1e-3,1e-1 --mode frozen,full --recipe resnet18-frozen --epochs 2",
            "compare photos --lr 1e-3,1e-1 --mode frozen,full --epochs 2",
        ),
        (
            "recipes run resnet18-full photos --views 4 --weights random --seed 1",
            "recipes run resnet18-full photos --weights random --views 4 --seed 1",
        ),
        ("cache clear", "cache clear"),
    ],
)
def test_what_was_typed_is_repeated_with_the_same_values(typed: str, again: str) -> None:
    context = parsed(f"headstart {typed}")
    assert repeats(context) == f"headstart {again}"
    values = {name: value for name, value in context.params.items() if name != "as_json"}
    assert {name: value for name, value in parsed(repeats(context)).params.items() if name != "as_json"} == values


def test_pictures_that_were_given_are_repeated(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    typed = f"headstart recipes run resnet18-full photos --picture {tmp_path}/1.jpg --picture {tmp_path}/2.jpg"
    assert repeats(parsed(typed)) == typed


def test_a_value_can_be_replaced() -> None:
    context = parsed("headstart recipes run resnet18-full photos")
    assert repeats(context, out=Path("runs/x")) == "headstart recipes run resnet18-full photos -o runs/x"
