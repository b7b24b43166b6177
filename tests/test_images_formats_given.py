from __future__ import annotations

from pathlib import Path

from headstart.images.formats.given import Given


def test_a_path_and_an_address_have_names_titles_and_whereabouts(tmp_path: Path) -> None:
    (tmp_path / "photos.v1").mkdir()
    folder = Given.of(tmp_path / "photos.v1")
    assert (folder.is_remote, folder.name, folder.title) == (False, "photos.v1", "photos.v1")
    assert folder.path == Path(folder.whereabouts) == tmp_path / "photos.v1"
    remote = Given.of("s3://bucket/deep/photos.zip")
    assert (remote.is_remote, remote.path, remote.name, remote.title) == (True, None, "photos", "photos.zip")
    assert remote.whereabouts == "s3://bucket/deep/photos.zip"
    assert Given.of("s3://bucket").name == "bucket"
    assert not Given.of("C://photos").is_remote


def test_how_it_is_read_goes_with_it() -> None:
    given = Given(address="t.csv", label_column="kind")
    assert given.options == {"--format": None, "--path-column": None, "--label-column": "kind"}
    assert Given(address="u.csv", **given.reading) == given.at("u.csv")
    assert Given.of(given) is given
