from __future__ import annotations

import numpy as np
import pytest

from headstart.audit.scenes import require_scenes
from headstart.errors import DataError
from headstart.images.folder import ImageSet
from test_audit_summary import images

NONE = np.array([], np.int64)
OTHERS = (
    "   to do: add pictures of other scenes of these classes; where names of files tell scenes apart, "
    "`headstart check PHOTOS --list --group-by '(scene[0-9]+)'` counts them"
)


def scenes(*parts: tuple[str, str, int, str]) -> ImageSet:
    """Parts of (class, split, pictures, scene); where the scene is empty each picture is its own."""
    rows = [
        f"{label}{split}{number} {label} {split} {label}{split}{number} {scene or f'{label}{split}{number}'}"
        for label, split, count, scene in parts
        for number in range(count)
    ]
    return images("\n".join(rows))


def test_enough_scenes_are_enough() -> None:
    require_scenes(scenes(("a", "train", 4, ""), ("a", "train", 9, "burst"), ("b", "train", 4, "")), NONE)


def test_one_scene_of_each_class() -> None:
    with pytest.raises(DataError) as caught:
        require_scenes(scenes(("a", "train", 12, "one"), ("b", "train", 12, "two")), NONE)
    assert str(caught.value) == (
        "copies among the pictures of photos: 1 problem\n"
        "expected: at least 4 scenes of each class, to train on some and test on others; pictures that show the same, "
        "such as a burst or frames of a film, are one scene\n"
        "   found: 24 pictures of 2 scenes: 'a' has 12 pictures of 1 scene, 'b' has 12 pictures of 1 scene\n" + OTHERS
    )


def test_only_the_class_that_is_short_of_scenes_is_named() -> None:
    with pytest.raises(DataError) as caught:
        require_scenes(scenes(("a", "train", 7, ""), ("b", "train", 2, ""), ("b", "train", 9, "burst")), NONE)
    assert "found: 18 pictures of 10 scenes: 'b' has 11 pictures of 3 scenes\n" in str(caught.value)


def test_a_class_whose_training_pictures_are_all_tested_on() -> None:
    pictures = scenes(("a", "train", 4, ""), ("b", "train", 5, ""), ("a", "test", 2, ""), ("b", "test", 2, ""))
    with pytest.raises(DataError) as caught:
        require_scenes(pictures, np.arange(4))
    assert str(caught.value) == (
        "copies among the pictures of photos: 1 problem\n"
        "expected: at least 4 scenes of each class to train on that are not tested on too, and more than 10% of the "
        "training pictures\n"
        "   found: 4 of 9 training pictures show what is tested on: 4 of 4 of 'a', which leaves 0 scenes\n"
        "   to do: put all pictures of a scene into one split, or give the pictures without splits: each scene then "
        "stays in one fold, and --group-by names what else belongs together"
    )


def test_nearly_all_of_the_training_pictures_are_too_many_to_lose() -> None:
    pictures = scenes(("a", "train", 50, ""), ("b", "train", 50, ""))
    require_scenes(pictures, np.array([*range(44), *range(50, 95)]))
    with pytest.raises(DataError, match=r"found: 91 of 100 training pictures .* 46 of 50 of 'a', which leaves 4 scene"):
        require_scenes(pictures, np.array([*range(46), *range(50, 95)]))
