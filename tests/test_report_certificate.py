from __future__ import annotations

import re

from headstart.report.certificate import certificate_figure, certificate_section
from headstart.report.page import PlainPage, render
from test_claims_certificate import draw


def test_the_verdict_comes_first_and_the_method_last() -> None:
    certificate = draw(pretrained=1.0, untrained=0.2, colour=0.3)
    section = certificate_section(certificate)
    assert section.sentences == certificate.sentences
    assert section.sentences[0].startswith("Pretraining helps here")
    assert section.table is not None
    assert [row[0] for row in section.table.rows] == ["early", "late"]
    assert section.table.marked == (1,)
    assert "5-fold cross-validation, 2 times on 200 pictures" in section.method
    page = render(PlainPage(title="t", lede=(), sections=(section,)))
    assert page.index("Pretraining helps here") < page.index("ridge regression")


def test_the_figure_shows_every_rival_with_the_best_next_to_the_pretrained() -> None:
    certificate = draw(pretrained=1.0, untrained=0.2, colour=0.5)
    figure = certificate_figure(certificate)
    names = re.findall(r">(pretrained|colours alone|random weights|the most frequent class)<", figure)
    assert names[:2] == ["pretrained", "colours alone"]
    assert len(names) == 4
    assert f"{100 * certificate.chosen.value:.1f}\u202f%" in figure
    assert figure == certificate_figure(certificate)
