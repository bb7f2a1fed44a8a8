"""The tables of docs/reliability.md: trials with injected faults, soak tests, and mutants."""

from collections.abc import Mapping
from typing import Any

from channelsmin.matrix import results, variants
from channelsmin.matrix.results import Planted
from channelsmin.report import markdown

COLUMNS = {
    "members": "members",
    "moved": "moved",
    "late": "late",
    "skipped": "skipped",
    "wrong": "moved wrongly",
    "reloaded": "reloaded",
}
"""What is counted in a trial, with the table's title for it."""


def trial_tables() -> str:
    """Return the tables of the trials: by release and browser, and by fault."""
    trials = results.trials()
    by_fault: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for tried in trials.values():
        for trial in sorted(tried, key=lambda trial: int(trial["seed"])):
            by_fault.setdefault((trial["fault"],), []).append(trial)
    by_release: dict[tuple[str, ...], list[dict[str, Any]]] = {
        (str(release), browser.capitalize()): tried for (release, browser), tried in trials.items()
    }
    return f"{_sums(('oTree', 'browser'), by_release)}\n{_sums(('fault',), by_fault)}"


def _sums(names: tuple[str, ...], groups: Mapping[tuple[str, ...], list[dict[str, Any]]]) -> str:
    rows = [
        (
            *group,
            len(tried),
            *(sum(trial[column] for trial in tried) for column in COLUMNS),
            f"{max(trial['arrival'] for trial in tried):.1f} s",
        )
        for group, tried in groups.items()
    ]
    return markdown.table((*names, "trials", *COLUMNS.values(), "slowest"), rows)


def soak_table() -> str:
    """Return the table of the soak tests."""
    head = (
        *("oTree", "date", "minutes", "sessions", "members", "moved", "lost", "reloaded"),
        *("came back after the click", "memory at start, middle, end", "open files"),
    )
    return markdown.table(head, (_soak_row(str(r), run) for r, run in results.soak_runs().items()))


def _soak_row(release: str, run: Mapping[str, Any]) -> tuple[object, ...]:
    memory = ", ".join(f"{size['megabytes']:.0f}" for size in run["sizes"])
    files = ", ".join(str(size["descriptors"]) for size in run["sizes"])
    return (
        *(release, run["date"], run["minutes"], run["sessions"], run["members"], run["moved"]),
        *(run["members"] - run["moved"], run["reloaded"], run["came_back_late"]),
        *(f"{memory} MB", files),
    )


def mutants_table() -> str:
    """Return the table of planted faults: the tests that found each, by variant."""
    tried = {(planted.mutant, planted.variant): planted for planted in results.mutants()}
    names = [variant.name for variant in variants.load_all()]
    rows = [
        (mutant, *(_found_by(tried.get((mutant, name))) for name in names))
        for mutant in dict.fromkeys(mutant for mutant, _ in tried)
    ]
    return markdown.table(("fault", *(f"`{name}`" for name in names)), rows)


def _found_by(planted: Planted | None) -> str:
    if planted is None:
        return ""
    return ", ".join(f"`{test}`" for test in planted.killed_by) or "**survives**"
