"""The one gradient loop: a plan, what it trains, and what is computed once for it."""
