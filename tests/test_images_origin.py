from __future__ import annotations

from headstart.images.origin import Origin


def test_what_a_file_does_not_tell_is_empty() -> None:
    assert Origin.read((), {}, {}) == Origin(quantisation=(), camera="", taken="")
    assert Origin.read((), {0x010F: 7}, {0x9003: b"x"}) == Origin(quantisation=(), camera="", taken="")


def test_maker_model_and_time_are_read() -> None:
    tags = {0x010F: "Kamera\0", 0x0110: " K 1", 0x0132: "2022:01:01 00:00:00"}
    origin = Origin.read([16, 11], tags, {0x9003: "2021:03:04 05:06:07"})
    assert origin == Origin(quantisation=(16, 11), camera="Kamera K 1", taken="2021:03:04 05:06:07")
    assert Origin.read((), tags, {}).taken == "2022:01:01 00:00:00"
