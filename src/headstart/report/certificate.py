"""The transfer certificate as a section of the report: does transfer help here?"""

from __future__ import annotations

from headstart.claims.certificate import Certificate
from headstart.report.drawing import (
    ACCENT,
    CHARACTER,
    INK,
    LINE,
    MUTED,
    WIDTH,
    as_svg,
    blank_figure,
    page_style,
    plot_axes,
)
from headstart.report.section import THIN, Section, Table, p_value, percent, with_interval

ROW = 30


def certificate_section(certificate: Certificate) -> Section:
    """Whether pretraining helps here."""
    times = f", {certificate.repeats} times" if certificate.repeats > 1 else ""
    return Section(
        id="certificate",
        title="Does transfer help here?",
        aside="The pretrained network against what needs no pretraining. ProgressBars that reach further are better.",
        sentences=certificate.sentences,
        figures=(certificate_figure(certificate),),
        table=Table(
            about="Depth by depth",
            columns=("depth", "pretrained", "random weights", "points", "p"),
            rows=tuple(
                (
                    depth.name,
                    with_interval(depth.accuracy),
                    with_interval(depth.untrained),
                    f"{100 * depth.difference.value:+.1f}",
                    p_value(depth.difference.p).removeprefix("p ").removeprefix("= "),
                )
                for depth in certificate.depths
            ),
            numbers=(1, 2, 3, 4),
            marked=tuple(i for i, depth in enumerate(certificate.depths) if depth is certificate.best_depth),
        )
        if certificate.depths
        else None,
        method=(
            f"{certificate.folds}-fold cross-validation{times} on {certificate.n} pictures, the same folds for all. "
            "Every row of features gets the same head, ridge regression whose strength is chosen inside each training "
            f"part, so that features alone are compared; the chosen features are the {certificate.features}. Colours: "
            "histograms of 16 bins a channel and 4 × 4 × 4 of all three, mean and spread. Random weights: the same "
            "network, never trained. Differences are tested picture by picture (exact sign-flip test; McNemar's for "
            "single pictures); “helps” needs all three rivals beaten at the 5 % level, “hurts” takes 1 %. Intervals: "
            "Wilson's for accuracies, Agresti and Min's for differences. The model's own head is another one, so the "
            "accuracy at the top of the page differs a little."
        ),
    )


@page_style()
def certificate_figure(certificate: Certificate) -> str:
    """Accuracy of the pretrained features and of their rivals as bars, with 95 % intervals."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    rows = [("pretrained", certificate.chosen, True)]
    rivals = sorted(certificate.rivals, key=lambda rival: -rival.accuracy.value)
    rows += [(rival.name, rival.accuracy, False) for rival in rivals]
    left = 14 + max(len(name) for name, *_ in rows) * CHARACTER
    figure = blank_figure(WIDTH, ROW * len(rows) + 54)
    axes = plot_axes(figure, left=left, top=4, right=54, bottom=50)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows], color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:.4g}{THIN}%"))
    for y, (_, one, own) in enumerate(rows):
        axes.barh(y, one.value, height=0.52, color=ACCENT if own else LINE)
        axes.plot([one.low, one.high], [y, y], color=INK, linewidth=1.8, solid_capstyle="butt")
        value = percent(one.value)
        axes.text(
            1.02, y, value, transform=axes.get_yaxis_transform(), va="center", color=INK if own else MUTED,
            weight="bold" if own else "normal",
        )  # fmt: skip
    axes.set_xlabel(f"accuracy on {certificate.n:,} pictures, 95{THIN}% interval", labelpad=8)
    words = ", ".join(f"{name} {one.value:.1%}" for name, one, _ in rows)
    return as_svg(figure, "certificate", f"Accuracy of pretrained features and of their rivals: {words}")
