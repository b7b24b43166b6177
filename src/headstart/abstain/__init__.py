"""When not to answer: prediction sets, novelty, unsure answers, costs."""
