"""Published procedures as data, their runner, grids of settings and published tables."""
