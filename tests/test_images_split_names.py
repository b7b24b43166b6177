from __future__ import annotations

from pathlib import Path

import pytest

from headstart.images.split_names import SplitFolder, split_classes, split_family, split_name, split_of


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", "train Train TRAINING trainset TrainSet train_data images-train training.images train2017 1_train"),
        ("val", "val valid VALIDATION dev eval valset validation-set photos_dev evaluation dataset_val"),
        ("test", "test Testing testset test-data TestImages holdout"),
    ],
)
def test_names_that_mean_a_split_and_nothing_else(split: str, names: str) -> None:
    assert {name: split_of(name) for name in names.split()} == dict.fromkeys(names.split(), split)
    assert split_of("Training Set (2)") == "train"


@pytest.mark.parametrize("name", ["cat", "trainer", "testament", "contest", "trains", "seg_train", "", "set", "2017"])
def test_other_names(name: str) -> None:
    assert split_of(name) is None


def test_what_else_a_name_says() -> None:
    assert split_name("seg_Train") == ("train", "seg", "seg")
    assert split_name("my seg-test set") == ("test", "my seg", "my seg")
    assert split_name("Big-Cats_testset") == ("test", "big cats", "Big-Cats")
    assert split_name("train of BigCats images") == ("train", "of big cats", "of BigCats")
    assert split_name("Cats_train_Brown") == ("train", "cats brown", "Cats Brown")
    assert split_name("train_test") is None
    assert split_name("train_val") is None
    assert split_name("trainval") == ("train", "", "")


def family(*names: str) -> list[tuple[str, str]]:
    return [(part.split, part.path.name) for part in split_family([Path(name) for name in names])]


def test_words_beside_a_split_are_shared_by_the_parts_of_one_set() -> None:
    assert split_family([Path("a/Training")]) == [SplitFolder("train", Path("a/Training"))]
    assert family("seg_pred", "seg_test", "seg_train") == [("test", "seg_test"), ("train", "seg_train")]
    assert family("flowers_train", "flowers_valid", "test", "x_test") == [
        ("train", "flowers_train"),
        ("val", "flowers_valid"),
        ("test", "test"),
    ]


@pytest.mark.parametrize(
    "names", ["cat dog", "test val", "crash_test stress_test", "freight_train passenger_train bus", "steam_train test"]
)
def test_classes_are_no_family(names: str) -> None:
    assert family(*names.split()) == []


def classes(*names: str) -> list[tuple[str, str]]:
    return [(name, part.split) for name, part in split_classes([Path(name) for name in names])]


def test_a_class_and_a_split_in_one_name() -> None:
    assert classes("Cats_train", "cats-test", "train dogs") == [("Cats", "train"), ("Cats", "test"), ("dogs", "train")]
    assert classes("BigCats_train", "Golden-Retriever_train", "golden_retriever_valid") == [
        ("BigCats", "train"),
        ("Golden-Retriever", "train"),
        ("Golden-Retriever", "val"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        "cats_train dogs_train",  # nothing to test on: they may be called so
        "cats_train cats_test",  # one class
        "cats_train cats_test dogs_test birds_train",  # nothing of a class to train on
        "cats_train cats_test dogs_train bus",
        "cats_train cats_test dogs_train dogs_training",
        "train test cats_train cats_test",
    ],
)
def test_names_that_do_not_all_say_a_class_and_a_split(names: str) -> None:
    assert classes(*names.split()) == []
