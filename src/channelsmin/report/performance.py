"""What the bench has measured (benchmarks/results): as tables, and as plots."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.paths import ROOT

RESULTS = ROOT / "matrix" / "benchmarks"
"""One file per release, as benchmarks/measure.py has written it."""

DOCUMENT = ROOT / "docs" / "performance.md"
PLOT = ROOT / "docs" / "performance.svg"

SUBJECTS = {"floor": "floor", "variant": "variant", "live_page": "live page"}
"""What is measured, as the results and the tables call it."""

QUERIES = ("SELECT", "INSERT", "UPDATE", "DELETE")
WRITES = QUERIES[1:]
"""The statements that count as queries and as writes; BEGIN, COMMIT and PRAGMA are neither."""

EVENTS = {
    "connection": "a member connects",
    "first_click": "the first click",
    "later_click": "a later click",
    "late_joiner": "a member connects after the click",
}


def load() -> dict[Version, dict[str, Any]]:
    """Return all results, the oldest release first."""
    files = {Version(file.stem): file for file in RESULTS.glob("*.json")}
    return {release: json.loads(files[release].read_text()) for release in sorted(files)}


def time_rows() -> str:
    """Return the table of times in Markdown: the middle one, and the 99th of 100."""
    lines = [
        "| oTree | members | | clicks | first told | median | last told | last, x floor "
        "| last, x live page | Results | all connect | late joiner | lost | unanswered "
        "| error pages |",
        "| --- " * 15 + "|",
    ]
    for release, result in load().items():
        for members, measured in result["times"].items():
            for name, title in SUBJECTS.items():
                if name in measured:
                    cells = _time_cells(name, measured)
                    lines.append(f"| {release} | {members} | {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _time_cells(name: str, measured: Mapping[str, Any]) -> list[str]:
    summary, ratios = measured[name], measured["ratios"].get(name, {})
    told = [_span(summary.get(key)) for key in ("first", "median", "last")]
    others = [f"{ratios[key]:.2f}" if key in ratios else "" for key in ("floor", "live_page")]
    rest = [_span(summary.get(key)) for key in ("results", "connect", "late")]
    losses = [str(summary[key]) for key in ("lost", "unanswered", "failed_pages")]
    return [str(summary["clicks"]), *told, *others, *rest, *losses]


def _span(times: Mapping[str, float] | None) -> str:
    """Return two times, given in ms, in words."""
    return f"{_words(times['p50'])} / {_words(times['p99'])}" if times else ""


def _words(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.{0 if milliseconds >= 10 else 1}f} ms"


def use_rows() -> str:
    """Return the tables of what it costs, in Markdown."""
    events = [
        "| oTree | | | queries | of these writes | messages | bytes |",
        "| --- " * 7 + "|",
    ]
    sizes = [
        "| oTree | | memory per idle connection | CPU per 1,000 clicks |",
        "| --- " * 4 + "|",
    ]
    for release, result in load().items():
        most = str(result["counts"]["members"])
        for name, title in SUBJECTS.items():
            if not (counts := result["counts"].get(name)):
                continue
            for event, words in EVENTS.items():
                events.append(f"| {release} | {title} | {words} | {_use(counts[event])} |")
            memory = counts["kilobytes_per_idle_connection"]
            most = max((m for m, its in result["times"].items() if name in its), key=int)
            seconds = result["times"][most][name]["cpu_seconds_per_1000_clicks"]
            sizes.append(
                f"| {release} | {title} | {memory:.0f} kB | {seconds:.1f} s ({most} members) |"
            )
    return "\n".join([*events, "", *sizes]) + "\n"


def _use(count: Mapping[str, Any]) -> str:
    statements = count["statements"]
    queries, writes = (
        sum(statements.get(word, 0) for word in words) for words in (QUERIES, WRITES)
    )
    return f"{queries:g} | {writes:g} | {count['messages']:g} | {count['bytes']:,}"


def circumstance_rows() -> str:
    """Return where and when it was measured, in Markdown."""
    lines = ["| oTree | date | server | Python | machine |", "| --- " * 5 + "|"]
    for release, result in load().items():
        machine = result["machine"]
        lines.append(
            f"| {release} | {result['date']} | `{result['server']}` "
            f"| {result['versions']['python']} "
            f"| {machine['cores']} cores, {machine['processor']}, {machine['system']} |"
        )
    return "\n".join(lines) + "\n"


def digest() -> str:
    """Return the mark of the results that a plot is drawn from."""
    texts = b"".join(file.read_bytes() for file in sorted(RESULTS.glob("*.json")))
    return hashlib.sha256(texts).hexdigest()


def check() -> None:
    """Raise UserError if the plot was not drawn from these results."""
    if load() and (not PLOT.exists() or digest() not in PLOT.read_text(encoding="utf-8")):
        raise UserError(f"{PLOT.name} is stale: run `python3 run.py plot`")


def plot(file: Path = PLOT) -> None:
    """Draw when the last member is told, against the size of the group, for each era.

    Raises UserError where Matplotlib is missing.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("no Matplotlib: `pip install -e .[bench]`") from error
    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    results = load()
    if not results:
        raise UserError("no results: run `python3 run.py bench` first")
    pyplot.rcParams.update({"svg.hashsalt": "channelsmin", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(
        1, len(results), figsize=(3.2 * len(results), 3.6), sharey=True, squeeze=False
    )
    for axis, (release, result) in zip(axes[0], results.items(), strict=True):
        for number, (name, title) in enumerate(SUBJECTS.items()):
            last = {int(m): its[name]["last"] for m, its in result["times"].items() if name in its}
            if last:
                middle, slow = ([its[key] for its in last.values()] for key in ("p50", "p99"))
                axis.loglog([*last], middle, "o-", color=f"C{number}", label=title)
                axis.loglog([*last], slow, ":", color=f"C{number}")
        axis.set_title(f"oTree {release}\n{variants.serving(release).name}")
        axis.set_xticks([int(members) for members in result["times"]])
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("members")
        axis.grid(alpha=0.3)
    axes[0][0].yaxis.set_major_formatter(ScalarFormatter())
    axes[0][0].set_ylabel("ms until the last member is told")
    axes[0][-1].legend()
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None, "Description": f"drawn from {digest()}"})
    pyplot.close(figure)
