from __future__ import annotations

from dataclasses import replace

from headstart.images.record import Changes
from headstart.report.changed_pictures import sentences

NONE = Changes(missing=(), added=(), renamed=(), contents=(), classes=(), splits=(), grouped=False)


def test_no_change_is_no_sentence() -> None:
    assert sentences(NONE) == ()


def test_every_kind_of_change_is_named() -> None:
    changes = Changes(
        missing=("a/0.jpg",),
        added=("b/5.jpg",),
        renamed=(("a/1.jpg", "a/renamed.jpg"),),
        contents=("a/2.jpg",),
        classes=("a/3.jpg", "a/4.jpg"),
        splits=("b/1.jpg",),
        grouped=False,
    )
    assert sentences(changes) == (
        "1 picture missing: a/0.jpg.",
        "1 picture added: b/5.jpg.",
        "1 picture renamed or moved: a/1.jpg → a/renamed.jpg.",
        "1 picture with other contents: a/2.jpg.",
        "2 pictures with another class: a/3.jpg, a/4.jpg.",
        "1 picture in another split: b/1.jpg.",
    )


def test_other_groups_are_told_where_nothing_else_explains_them() -> None:
    grouped = replace(NONE, grouped=True)
    assert sentences(grouped) == ("The pictures are the same, and grouped differently.",)
    assert sentences(replace(grouped, added=("c.jpg",))) == ("1 picture added: c.jpg.",)


def test_many_names_are_cut_short() -> None:
    names = tuple(f"{number}.jpg" for number in range(7))
    expected = "7 pictures missing: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 2 more."
    assert sentences(replace(NONE, missing=names)) == (expected,)
