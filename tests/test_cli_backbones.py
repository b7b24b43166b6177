from __future__ import annotations

import json

from command import headstart


def test_list_and_show_say_what_works_here() -> None:
    listed = json.loads(headstart("backbones", "list", "--json").stdout)["backbones"]
    ready = {record["name"] for record in listed if record["ready"]}
    assert "efficientnet_lite0" in ready
    shown = json.loads(headstart("backbones", "show", "efficientnet_lite0", "--json").stdout)
    assert shown["licence"] == "apache-2.0"
    assert shown["parameters"] == 4_652_008
