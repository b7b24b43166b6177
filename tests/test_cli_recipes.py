from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load, save

from command import headstart, typed
from headstart.backbones import catalog, network
from headstart.backbones.weights import locate
from headstart.cli.recipes import _shown
from headstart.recipes.records import RECIPES, get
from headstart.recipes.runner import summaries
from test_backbones_weights import hub_server


def test_list_names_every_recipe() -> None:
    listed = typed("recipes", "list").stdout
    names = [recipe.name for recipe in RECIPES]
    assert [line.split()[0] for line in listed.splitlines()] == names
    document = json.loads(typed("recipes", "list", "--json").stdout)
    assert [recipe["name"] for recipe in document["recipes"]] == names


def test_show_counts_as_the_write_up_does() -> None:
    text = typed("recipes", "show", "mobilenetv2-two-phase").stdout
    for count in ("2,257,984", "1,281 parameters in 2 tensors", "1,862,721 parameters in 56 tensors"):
        assert count in text
    phases = json.loads(typed("recipes", "show", "resnet18-frozen", "--json").stdout)["phases"]
    assert [phase["trainable"] for phase in phases] == [1026]


def test_show_lists_departures_and_layers() -> None:
    document = json.loads(typed("recipes", "show", "mobilenetv2-two-phase", "--layers", "--json").stdout)
    assert [fact["kind"] for fact in document["departures"]] == [
        "decoding", "filter", "framework", "epsilon", "index",
    ]  # fmt: skip
    assert document["published"].endswith("test 0.979 and 0.995")
    assert document["layers"][-1] == {
        "name": "head.1", "kind": "Linear", "shape": [32, 1], "parameters": 1281, "statistics": 0,
    }  # fmt: skip
    lines = typed("recipes", "show", "vgg16-mlp", "--layers").stdout.splitlines()
    assert lines[-1] == "39 layers, 134,268,738 parameters"


def test_what_cannot_be_run_is_exit_code_2_and_names_options_that_there_are(tmp_path: Path, photos: Path) -> None:
    wrong = typed("recipes", "run", "resnet18-full", photos, "-o", tmp_path / "run", "--lr", "-1")
    assert wrong.returncode == 2
    assert "--lr: 1 problem\nexpected: a number above 0\n   found: -1\n   to do: give another --lr" in wrong.stderr
    assert not (tmp_path / "run").exists()
    shown = typed("recipes", "show", "vgg16-dense256", "--classes", "3")
    assert shown.returncode == 2
    assert "take a recipe for any number of classes: resnet18-full, " in shown.stderr


def test_epochs_of_a_phase_are_counted() -> None:
    for epochs, said in ((1, "1 epoch, batch 4, sgd"), (2, "2 epochs, batch 4, sgd")):
        recipe = get("resnet18-frozen").with_epochs(epochs)
        *_, phase = _shown(recipe, summaries(recipe))
        assert phase.startswith(said)


def test_an_unknown_recipe_is_exit_code_2_with_the_closest_names() -> None:
    done = typed("recipes", "show", "vgg16-frozn")
    assert done.returncode == 2
    assert "did you mean vgg16-frozen" in done.stderr


def test_weights_come_from_the_hub_once_and_then_from_its_cache(photos: Path, tmp_path: Path) -> None:
    """The real path: the hub's client, its cache, timm's network, a recipe; then once more with the network off."""
    name = "test_resnet.r160_in1k"
    backbone = catalog.get(name)
    model = network.build(backbone, locate(backbone, random=True), num_classes=1000)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.9)  # other than random weights would be
    content = save(model.state_dict())
    words = ["recipes", "run", "resnet18-frozen", str(photos), "--backbone", name, "--epochs", "1", "--views", "1"]
    environment = {"HF_HOME": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    with hub_server(f"timm/{name}", content) as (address, requests):
        done = headstart(*words, "-o", str(tmp_path / "a"), "--json", HF_ENDPOINT=address, **environment)
    assert done.returncode == 0, done.stderr
    assert f"GET /timm/{name}/resolve/main/model.safetensors" in requests
    (cached,) = (tmp_path / "hub" / "hub").glob("models--*/snapshots/*/model.safetensors")
    assert torch.equal(load(cached.read_bytes())["conv1.0.weight"], model.state_dict()["conv1.0.weight"])
    again = headstart(*words, "-o", str(tmp_path / "b"), "--json", **{**environment, "HF_HUB_OFFLINE": "1"})
    assert again.returncode == 0, again.stderr
    assert "hub weights" in (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    first, second = (json.loads(one.stdout) for one in (done, again))
    assert first["initial"] == second["initial"]


def test_torch_says_nothing_of_its_own_at_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "recipes", "show", "resnet18-frozen"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
