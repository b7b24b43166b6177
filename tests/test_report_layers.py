from __future__ import annotations

from headstart.finetune.layers import Layer
from headstart.report.layers import layer_lines


def test_layers_are_lines_with_their_sums() -> None:
    conv = Layer(name="conv", kind="Conv2d", shape=(4, 8, 8, 16), parameters=1_000, statistics=0)
    norm = Layer(name="bn1", kind="BatchNorm2d", shape=(4, 8, 8, 16), parameters=32, statistics=32)
    assert list(layer_lines([])) == []
    assert list(layer_lines([conv])) == [
        "layer  kind    output shape   parameters",
        "conv   Conv2d  (4, 8, 8, 16)       1,000",
        "1 layer, 1,000 parameters",
    ]
    assert list(layer_lines([conv, norm]))[-2:] == [
        "bn1    BatchNorm2d  (4, 8, 8, 16)          64",
        "2 layers, 1,064 parameters, 32 of them statistics of batch norms",
    ]
