"""Every command of the README and every example under ``--help`` is carried out, in order, on pictures made here.

The networks are small stand-ins with drawn weights, which lie in the hub's local cache as its client leaves them; all
that reads, trains, measures and writes is the real thing.
"""

from __future__ import annotations

import glob
import json
import os
import re
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from headstart.backbones import catalog, pretrained
from headstart.cli import app
from headstart.images.decode import encode
from headstart.recipes import records
from headstart.versions import version
from headstart.workflows.pack import NEEDS
from pictures import draw
from wheels import write_wheel

pytestmark = pytest.mark.docs

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SKIPPED = {
    "make": "sets up an environment of its own, or runs this suite",
    "pip": "installs packages, which no test may do",
}
"""First words of lines that are not carried out, and why."""
STAND_INS = {"efficientnet_lite0": "test_efficientnet.r160_in1k", "resnet18": "test_resnet.r160_in1k"}
SIDE = 64
"""Input size of the stand-ins, in pixels."""
NEW = 10
"""Pictures without a label: `watch` needs as many to say whether they are like those of training."""


def command_lines() -> list[str]:
    """Every line of the README's blocks that is typed into a shell, without its comment."""
    known = ("headstart", *SKIPPED)
    lines = [line for kind, block in BLOCKS if kind == "" for line in block.splitlines() if line.strip()]
    return [line.split("  #")[0].strip() for line in lines if line.split()[0] in known]


def examples() -> dict[str, str]:
    """What ``--help`` of each command ends with, by command."""
    found: dict[str, str] = {}

    def visit(verb: tuple[str, ...], command: Any) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            visit((*verb, name), inner)
        if not hasattr(command, "commands"):
            found[" ".join(verb)] = (command.epilog or "").removeprefix("Example: ")

    visit((), get_command(app))
    return found


COMMANDS = [line for line in command_lines() if line.split()[0] not in SKIPPED]
EXAMPLES = examples()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    def lines(self) -> list[str]:
        return self.out.splitlines()


def carried_out(line: str) -> Answer:
    """Type ``line`` into a shell whose working directory is this process's: quotes and patterns count."""
    program, *words = shlex.split(line, comments=True)
    assert program == "headstart"
    typed = [name for word in words for name in (sorted(glob.glob(word)) if glob.has_magic(word) else []) or [word]]  # noqa: PTH207
    with stopped_when_ready() if words[0] == "serve" else nullcontext():
        done = CliRunner().invoke(app, typed)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Answer(code=done.exit_code, out=done.stdout, err=done.stderr)


@contextmanager
def stopped_when_ready(address: str = "http://127.0.0.1:8000/ready") -> Iterator[None]:
    """Ctrl-C, as soon as a server answers there, for whoever starts it in this block."""

    def stop() -> None:
        for _ in range(600):
            with suppress(OSError), urlopen(address, timeout=5):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.1)

    thread = Thread(target=stop)
    thread.start()
    yield
    thread.join()


@contextmanager
def small_networks(hub: Path) -> Iterator[None]:
    """The catalogue with small networks in place of two, their weights in the hub's cache; recipes of one epoch."""
    from huggingface_hub import constants, file_download

    def shrunk(record: catalog.Backbone) -> catalog.Backbone:
        if record.name not in STAND_INS:
            return record
        architecture = STAND_INS[record.name]
        source = catalog.Hub(repo_id=f"timm/{architecture}")
        return replace(record, architecture=architecture, source=source, input_size=SIDE)

    with pytest.MonkeyPatch.context() as patch:
        for module in (constants, file_download):
            patch.setattr(module, "HF_HUB_CACHE", str(hub), raising=False)
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setattr(pretrained, "_CATALOGUE", tuple(shrunk(record) for record in catalog.all()))
        short = (replace(recipe, plan=replace(recipe.with_epochs(1).plan, size=SIDE)) for recipe in records.RECIPES)
        patch.setattr(records, "RECIPES", tuple(short))
        yield


def publish(architecture: str, hub: Path) -> dict[str, Any]:
    """Drawn weights of a network, in the hub's cache; returns them."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = timm.create_model(architecture.partition(".")[0], pretrained=False).state_dict()
    repository = hub / f"models--timm--{architecture}"
    snapshot = repository / "snapshots" / ("c0ffee" * 7)[:40]
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    save_file(tensors, snapshot / "model.safetensors")
    return tensors


def drawn(label: str, seed: int) -> bytes:
    """A JPEG whose colours tell the classes apart even to a network with drawn weights."""
    kind, tint = {"nominal": ("rings", (1.0, 0.6, 0.3)), "local": ("stripes", (0.3, 0.6, 1.0))}[label]
    return encode((draw(kind, seed, side=SIDE) * np.array(tint)).astype(np.uint8))


def write_pictures(folder: Path) -> None:
    """What the README speaks of: photos of several patients, new pictures, more with labels, costs, and wheels."""
    for name, first, counts in (
        ("photos", 0, {"nominal": 24, "local": 20}),
        ("more_photos", 100, {"nominal": 4, "local": 4}),
    ):
        for label, count in counts.items():
            (folder / name / label).mkdir(parents=True)
            for number in range(count):
                file = folder / name / label / f"patient{number // 2}_{number:02d}.jpg"
                file.write_bytes(drawn(label, first + number))
    (folder / "new").mkdir()
    for number in range(NEW):
        (folder / "new" / f"{number}.jpg").write_bytes(drawn(("nominal", "local")[number % 2], 200 + number))
    (folder / "new.jpg").write_bytes(drawn("nominal", 300))
    (folder / "wheels").mkdir()
    for name in ("pip", *NEEDS):
        write_wheel(folder / "wheels" / f"{name}-{version(name)}-py3-none-any.whl", name, version(name))
    shutil.make_archive(str(folder / "photos"), "zip", folder, "photos")
    (folder / "costs.csv").write_text("truth,nominal,local,ask\nnominal,0,1,0.2\nlocal,5,0,0.2\n")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with everything that the documentation speaks of, and a machine with small networks."""
    folder = tmp_path_factory.mktemp("docs")
    write_pictures(folder)
    tensors = {name: publish(architecture, folder / "hub") for name, architecture in STAND_INS.items()}
    import torch

    torch.save(tensors["resnet18"], folder / "resnet18.pth")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # what such small networks take is mostly handing work from thread to thread
    try:
        with small_networks(folder / "hub"), pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEADSTART_CACHE", str(folder / "cache"))
            patch.setenv("PIP_NO_INDEX", "1")  # the wheels of a kit come from here
            patch.setenv("PIP_FIND_LINKS", str(folder / "wheels"))
            patch.chdir(folder)
            patch.setattr("headstart.workflows.demo.pictures", lambda: folder / "photos")
            yield folder
    finally:  # also where the setup fails: the last bits of later trainings depend on the number of threads
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def readme(world: Path) -> dict[str, Answer | Exception]:
    """What the README's commands answer, carried out in its order; before two runs are compared, two are made."""
    answers: dict[str, Answer | Exception] = {}
    for line in COMMANDS:
        if line == "headstart compare runs/a runs/b":
            for seed, run in enumerate(("runs/a", "runs/b")):
                carried_out(f"headstart train photos -o {run} --size {SIDE} --finetune never --seed {seed}")
        try:
            answers[line] = carried_out(line)
        except Exception as error:  # of one command; the others are carried out all the same
            answers[line] = error
    return answers


def answer_of(readme: dict[str, Answer | Exception], begins: str) -> Answer:
    """What the first of the README's commands that begins so answered."""
    answer = next(answer for line, answer in readme.items() if line.startswith(begins))
    if isinstance(answer, Exception):
        raise answer
    return answer


def in_order(patterns: list[str], lines: list[str]) -> bool:
    """Whether lines that match ``patterns`` follow one another in that order, others between them or not."""
    rest = iter(lines)
    return all(any(re.fullmatch(pattern, line) for line in rest) for pattern in patterns)


# ── the README ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_line_that_is_typed_is_known() -> None:
    assert len(COMMANDS) == len(set(COMMANDS)) >= 25
    assert {kind for kind, _ in BLOCKS} == {"", "python"}


@pytest.mark.parametrize("line", [line for line in command_lines() if line.split()[0] in SKIPPED])
def test_what_sets_up_or_installs_is_not_carried_out(line: str) -> None:
    pytest.skip(f"{line.split()[0]} {SKIPPED[line.split()[0]]}")


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_does_what_it_says(line: str, readme: dict[str, Answer | Exception]) -> None:
    answer = readme[line]
    if isinstance(answer, Exception):
        raise answer
    assert answer.code == 0, answer.err


def test_training_prints_what_the_readme_shows(readme: dict[str, Answer | Exception]) -> None:
    (shown,) = (block.splitlines() for _, block in BLOCKS if block.startswith("accuracy "))
    patterns = [re.sub(r"\d+(\\\.\d+)?", r"\\d+(\\.\\d+)?", re.escape(line)) for line in shown]
    # of so few pictures the folds are drawn five times
    patterns[0] = patterns[0].replace("validation,", "validation(, 5 times)?,")
    assert in_order(patterns, answer_of(readme, "headstart train photos -o runs/photos").lines())


def test_a_run_folder_holds_what_the_readme_lists(world: Path, readme: dict[str, Answer | Exception]) -> None:
    (listed,) = re.findall(r"The run folder holds (.*?), one page", README, re.DOTALL)
    names = {name.rstrip("/") for name in re.findall(r"`([^`]+)`", listed)}
    assert names == {path.name for path in (world / "runs" / "photos").iterdir()}
    page = (world / "runs" / "photos" / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(["']?http""", page)


def test_predictions_are_one_row_per_picture_in_the_order_given(
    world: Path, readme: dict[str, Answer | Exception]
) -> None:
    expected = [f"new/{number}.jpg" for number in range(NEW)]
    lines = answer_of(readme, "headstart predict runs/photos new/*.jpg").lines()
    assert [line.split("\t")[0] for line in lines] == expected
    header, *rows = (world / "answers.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[0] for row in rows] == expected
    assert header.startswith("path,")


def test_a_review_is_a_page_a_list_and_a_table_to_train_on(world: Path, readme: dict[str, Answer | Exception]) -> None:
    assert {path.name for path in (world / "checks/photos").iterdir()} >= {"review.html", "review.csv", "pictures.csv"}
    last = answer_of(readme, "headstart check photos --apply").lines()[-1]
    assert last == "headstart train checks/photos/pictures.csv"
    assert last in readme


def test_a_replay_gives_the_same_bytes(readme: dict[str, Answer | Exception]) -> None:
    assert "identical byte for byte" in answer_of(readme, "headstart replay").out


def test_comparisons_say_what_can_be_told_apart(readme: dict[str, Answer | Exception]) -> None:
    grid = answer_of(readme, "headstart compare photos --lr").out
    assert grid.count("lr 0.") >= 8
    assert "pairs of settings can be told apart" in grid
    assert "published" in answer_of(readme, "headstart compare photos --table").lines()[0]
    assert "told" in answer_of(readme, "headstart compare runs/a runs/b").out


def test_a_recipe_shows_the_honest_figure_first(readme: dict[str, Answer | Exception]) -> None:
    patterns = [
        r"accuracy .* measured on the validation split, last epoch",
        r"best validation accuracy .* too optimistic.*",
    ]
    assert in_order(patterns, answer_of(readme, "headstart recipes run").lines())


def test_without_network_and_cache_the_error_says_what_to_do(
    world: Path, readme: dict[str, Answer | Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, file_download

    for module in (constants, file_download):
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(world / "nowhere"), raising=False)
    for line in ("headstart train photos --backbone resnet18", "headstart backbones fetch resnet18"):
        answer = carried_out(line)
        assert answer.code == 2
        assert f"expected: model.safetensors of timm/{STAND_INS['resnet18']} in the hub's local cache" in answer.err
        assert "`headstart backbones fetch resnet18`" in answer.err
        assert "a backbone that works right now: " in answer.err


def test_exit_codes(world: Path, readme: dict[str, Answer | Exception]) -> None:
    assert "Exit codes: 0 done, 1 done but some files could not be used (`predict`, `evaluate`,\n" in README
    (world / "broken.jpg").write_text("no picture")
    assert carried_out("headstart predict runs/photos broken.jpg new/0.jpg").code == 1
    assert carried_out("headstart predict runs/nowhere new").code == 2


@pytest.mark.parametrize(
    "line", ["predict runs/photos new", "evaluate runs/photos more_photos", "doctor", "cache", "recipes list"]
)
def test_reports_are_one_json_document(line: str, readme: dict[str, Answer | Exception]) -> None:
    answer = carried_out(f"headstart {line} --json")
    assert isinstance(json.loads(answer.out), dict)


def test_the_python_of_the_readme_runs(world: Path, readme: dict[str, Answer | Exception]) -> None:
    source = "\n".join(block for kind, block in BLOCKS if kind == "python")
    names: dict[str, Any] = {}
    exec(compile(source, "README.md", "exec"), names)
    accuracy = repr(names["clf"].evaluation_.accuracy)
    assert re.match(r"Estimate\(value=[01]\.\d+, low=0\.\d+, high=\S+, n=44, ", accuracy)
    assert (world / "model").is_dir()
    named, unnamed = names["model"].predict(["new.jpg", Path("new.jpg").read_bytes()])
    assert (named.path, unnamed.path) == (Path("new.jpg"), None)
    assert np.array_equal(named.proba, unnamed.proba)


# ── the examples under --help ────────────────────────────────────────────────────────────────────────────────────────


def test_every_command_has_an_example_of_itself() -> None:
    assert len(EXAMPLES) >= 15
    for verb, example in EXAMPLES.items():
        assert f"{example} ".startswith(f"headstart {verb} "), verb


@pytest.mark.parametrize("verb", sorted(EXAMPLES, key=lambda verb: verb == "cache clear"))
def test_the_example_of_a_command_does_what_it_says(
    verb: str, world: Path, readme: dict[str, Answer | Exception]
) -> None:
    example = EXAMPLES[verb]
    if verb == "recipes run":  # what the README has left in the same folder comes from another backbone
        shutil.rmtree(world / "runs" / "frozen")
    answer = readme.get(example) or carried_out(example)
    if isinstance(answer, Exception):
        raise answer
    assert answer.code == 0, answer.err
