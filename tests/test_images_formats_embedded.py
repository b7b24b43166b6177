from __future__ import annotations

from headstart.images.formats.embedded import Embedded, _name


def test_names_stay_inside_and_are_told_apart() -> None:
    taken: set[str] = set()

    def named(name: str) -> str:
        picture = Embedded(name=name, data=b"\x89PNG", label="a", split="")
        return _name(picture, 7, taken)

    assert [named("x.png"), named("X.png"), named(""), named("../out.png")] == [
        "x.png", "X-2.png", "000007.png", "000007-2.png",
    ]  # fmt: skip
