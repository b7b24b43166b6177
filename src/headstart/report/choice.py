"""How the head was chosen, in words."""

from __future__ import annotations

from headstart.probe.choice import Choice


def choice_reason(choice: Choice) -> str:
    """Why this candidate, and what was not tried."""
    best, tried = choice.score, len({score.candidate for score in choice.board})
    lower = [score for score in choice.board if not score.screened and score.log_loss < best.log_loss]
    text = f"Of {tried} candidates, {best.candidate} has the lowest out-of-fold log-loss ({best.log_loss:.3f})."
    if lower:
        closest = min(lower, key=lambda score: score.log_loss)
        text = (
            f"Of {tried} candidates, {best.candidate} is the simplest within one standard error of the lowest "
            f"out-of-fold log-loss ({best.log_loss:.3f}; {closest.candidate}: {closest.log_loss:.3f})."
        )
    if choice.enough_at is not None:
        text += f" Nothing dearer was tried: an error of {choice.enough_at:.1%} leaves too little to win."
    if choice.beyond_budget:
        text += f" The budget did not reach to {', '.join(map(str, choice.beyond_budget))} pixels."
    return text
