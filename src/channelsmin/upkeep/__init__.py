"""Keeps the facts about releases current, from the package index."""
