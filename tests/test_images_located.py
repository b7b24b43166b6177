from __future__ import annotations

from pathlib import Path

from headstart.images.located import Moved, common_folders, located


def files(root: Path, names: str) -> Path:
    for name in names.split():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_all_names_are_read_in_one_way(tmp_path: Path) -> None:
    root = files(tmp_path, "images/cat/1.png images/cat/2.png images/dog/2.png")
    names = [(f"/home/bob/data/{name}",) for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")]
    found = located(root, names)
    assert found.wrong == ("", "", "/home/bob/data/dog/1.png", ""), "a file that is missing takes no other's"
    assert found.paths[1] == root / "images" / "cat" / "2.png"
    assert found.moved == Moved("images/", 3)


def test_names_without_an_ending_and_files_of_labels_beside_them(tmp_path: Path) -> None:
    root = files(tmp_path, "1.png 1.xml 2.a.png 3.png 3.jpg")
    found = located(root, [("1",), ("2.a",), ("3",)])
    assert found.paths[:2] == (root / "1.png", root / "2.a.png")
    assert found.wrong == ("", "", "3, of which there are 3.jpg, 3.png")


def test_nothing_outside_is_found_where_that_is_asked(tmp_path: Path) -> None:
    root = files(tmp_path, "in/1.png out.png") / "in"
    (root / "link.png").symlink_to(tmp_path / "out.png")
    names = [("1.png",), ("../out.png",), (str(tmp_path / "out.png"),), ("link.png",), ("",), ("..",)]
    assert located(root, names).wrong[:4] == ("", "", "", "")
    wrong = located(root, names, inside=True).wrong
    assert wrong[0] == ""
    assert all("leads out of the source" in each for each in wrong[1:4])
    assert located(root, []).wrong == ()


def test_the_folders_of_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "b" / "1", tmp_path / "2", Path("/else/3")]
    assert common_folders(tmp_path, paths) == (tmp_path / "a", Path("/else"))
