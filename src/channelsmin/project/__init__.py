"""A researcher's own project: which oTree it is for, and what is wrong with it."""
