from __future__ import annotations

from headstart.recipes.records import get
from headstart.recipes.runner import layer_table, summaries


def test_the_layers_of_mobilenet_have_the_shapes_and_counts_of_the_write_up() -> None:
    recipe = get("mobilenetv2-two-phase")
    layers = layer_table(recipe)
    by_name = {layer.name: layer for layer in layers}
    assert layers[0].name == "conv_stem"
    assert by_name["bn2"].shape == (32, 5, 5, 1280)
    assert by_name["global_pool.flatten"].shape == (32, 1280)
    assert (layers[-1].name, layers[-1].kind, layers[-1].shape) == ("head.1", "Linear", (32, 1))
    assert layers[-1].parameters == 1_281
    (summary, _) = summaries(recipe)
    assert sum(layer.parameters for layer in layers) == summary.total
    assert sum(layer.statistics for layer in layers) == summary.batch_norm_statistics


def test_what_the_head_passes_by_is_no_layer() -> None:
    recipe = get("vgg16-mlp")
    layers = layer_table(recipe)
    assert sum(layer.parameters for layer in layers) == summaries(recipe)[0].total == 134_268_738
    assert not any(layer.name.startswith("pre_logits") for layer in layers)
