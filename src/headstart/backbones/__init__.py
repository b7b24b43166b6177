"""Pretrained networks: which there are, where their weights come from, how their frozen part runs fast."""
