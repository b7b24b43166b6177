from __future__ import annotations

import re
from pathlib import Path

import pytest

from browser import CHROMIUM, browser
from headstart.web.page import NAMED, policy, render
from server import TOKEN, Served, drawn

NASTY = "</script><script>document.title='!'</script>"


def test_names_are_text_and_nothing_is_loaded_from_anywhere() -> None:
    html = render(NASTY, (NASTY, "b\n"), token=False)
    assert html.count("<script>") == html.count("</script>") == html.count("<style>") == 1
    assert "&lt;/script&gt;" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import|\son[a-z]+=""", html)
    assert 'type="password"' not in html
    assert 'type="password"' in render("a", ("b",), token=True)


def test_of_many_classes_the_first_are_named() -> None:
    html = render("a", tuple(f"class {i}" for i in range(NAMED + 3)), token=False)
    assert f"class {NAMED - 1} and 3 more" in html


def test_the_policy_allows_its_own_script_and_style_alone(served: Served) -> None:
    answer = served.ask("GET", "/", token=None)
    allowed = answer.headers["content-security-policy"]
    assert allowed == policy(answer.text)
    assert "default-src 'none'" in allowed
    assert "unsafe" not in allowed
    assert len(re.findall(r"'sha256-[A-Za-z0-9+/]{43}='", allowed)) == 2


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_person_drops_pictures_and_reads_the_answers(served: Served, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "<b>bad.png"
    good.write_bytes(drawn(1, "PNG"))
    bad.write_bytes(b"no picture")
    expected = served.ask("POST", "/predict", data=good.read_bytes()).json()["predictions"][0]
    with browser(tmp_path / "profile") as page:
        for width, dark in ((1280, False), (390, True)):
            page.open(served.address, width=width, dark=dark)
            assert page.run("getComputedStyle(document.body).backgroundColor") == (
                "rgb(22, 22, 20)" if dark else "rgb(253, 252, 250)"
            )
            page.choose("#file", good)
            page.until("document.querySelector('.doubts')?.textContent")
            assert "No answer" in page.run("document.querySelector('.answer').textContent")  # no token was given
            page.run(f"document.querySelector('#token').value = '{TOKEN}'")
            page.choose("#file", good, bad)
            page.until("document.querySelectorAll('.answer').length === 3")
            page.until("document.querySelector('#said').textContent === ''")
            refused, answered = (
                page.run(f"document.querySelectorAll('.answer')[{i}].innerText").splitlines() for i in range(2)
            )
            assert "No answer" in refused[0]
            assert "Text, not a picture." in refused  # there is no folder to take it out of
            assert refused[-1] == "<b>bad.png"
            assert answered[0].startswith(expected["label"])
            assert answered[-1] == "good.png"
            assert page.run("document.documentElement.scrollWidth") <= width
        assert page.told("Runtime.exceptionThrown") == []
        assert all(url.startswith((served.address, "blob:")) for url in page.requests)
        complaints = [entry["entry"]["text"] for entry in page.told("Log.entryAdded")]
        assert not any("Content Security Policy" in text for text in complaints)
