"""Checks of a researcher's project."""
