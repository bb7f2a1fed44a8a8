"""The tables and the plots of docs/performance.md, from matrix/benchmarks."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.version import Version

from channelsmin.errors import UserError
from channelsmin.matrix import results, variants
from channelsmin.paths import ROOT
from channelsmin.report import markdown

FELT_PLOT = ROOT / "docs" / "felt.svg"
PLOT = ROOT / "docs" / "performance.svg"

DESIGNS = {"variant": "this project", "original": "original's design", "live_page": "live page"}
"""The designs that are compared in what members feel: the names in the results, and in words."""

SUBJECTS = {"baseline": "baseline", "variant": "variant", "live_page": "live page"}
"""What is measured: its name in the results, and in the tables."""

QUERIES = ("SELECT", "INSERT", "UPDATE", "DELETE")
WRITES = QUERIES[1:]
"""The statements that count as queries and as writes; BEGIN, COMMIT and PRAGMA are neither."""

PANELS_IN_A_ROW = 3
"""In a plot; a document is no wider."""

EVENTS = {
    "connection": "a member connects",
    "first_click": "the first click",
    "later_click": "a later click",
    "late_joiner": "a member connects after the click",
}


def felt_table() -> str:
    """Return the table of what members feel: simulated groups, then real tabs."""
    head = (
        *("oTree", "members", "", "first", "median", "last", "x original", "x live page"),
        *("x floor", "arrivals", "lost", "error pages", "errors got over"),
    )
    rows = [
        (release, group, title, *_felt_cells(name, measured))
        for release, group, measured in _felt_groups()
        for name, title in DESIGNS.items()
        if name in measured
    ]
    return markdown.table(head, rows)


def _felt() -> dict[Version, Any]:
    """Return what members feel, for each release on which it was measured."""
    found = results.benchmarks().items()
    return {release: result["felt"] for release, result in found if "felt" in result}


def _latency() -> dict[Version, Any]:
    """Return the times on the sockets and their costs, where they were measured."""
    found = results.benchmarks().items()
    return {release: result for release, result in found if "times" in result}


def felt_times() -> list[tuple[str, str, str, str]]:
    """Return when the last member has the next page: the median and the 99th percentile.

    Each row has a release, its variant, the members of the group, and the two times in words.
    """
    return [
        (str(release), variants.serving(release).name, group, _times(measured["variant"]["last"]))
        for release, group, measured in _felt_groups()
    ]


def _felt_groups() -> Iterator[tuple[Version, str, Mapping[str, Any]]]:
    """Yield what each group felt, and what it is called: `3`, or `3 tabs`."""
    for release, result in _felt().items():
        for part, place in (("simulated", ""), ("tabs", " tabs")):
            for members, measured in result[part].items():
                yield release, f"{members}{place}", measured


def _felt_cells(name: str, measured: Mapping[str, Any]) -> list[str]:
    summary = measured[name]
    last = summary["last"]["p50"]
    bases = [measured.get(other, {}).get("last", {}).get("p50") for other in [*DESIGNS][1:]]
    ratios = [f"{last / base:.2f}" if base and name == "variant" else "" for base in bases]
    ratios.append(f"{last / measured['floor']:.2f}" if "floor" in measured else "")
    times = [_times(summary[key]) for key in ("first", "median", "last")]
    counts = [f"{summary[key]:,}" for key in ("arrivals", "lost", "error_pages", "retries")]
    return [*times, *ratios, *counts]


def felt_circumstances_table() -> str:
    """Return the table of where and when it was measured what members feel."""
    return _circumstances(_felt())


def times_table() -> str:
    """Return the table of times: each cell is the median and the 99th percentile."""
    head = (
        *("oTree", "members", "", "clicks", "first notified", "median", "last notified"),
        *("last, x baseline", "last, x live page", "all connect", "late joiner"),
        *("lost", "unanswered"),
    )
    rows = [
        (release, members, title, *_time_cells(name, measured))
        for release, result in _latency().items()
        for members, measured in result["times"].items()
        for name, title in SUBJECTS.items()
        if name in measured
    ]
    return markdown.table(head, rows)


def _time_cells(name: str, measured: Mapping[str, Any]) -> list[str]:
    summary, ratios = measured[name], measured["ratios"].get(name, {})
    notified = [_times(summary.get(key)) for key in ("first", "median", "last")]
    others = [f"{ratios[key]:.2f}" if key in ratios else "" for key in ("baseline", "live_page")]
    rest = [_times(summary.get(key)) for key in ("connect", "late")]
    losses = [str(summary[key]) for key in ("lost", "unanswered")]
    return [str(summary["clicks"]), *notified, *others, *rest, *losses]


def _times(times: Mapping[str, float] | None) -> str:
    """Return the median and the 99th percentile, given in ms, in words."""
    return f"{_words(times['p50'])} / {_words(times['p99'])}" if times else ""


def _words(milliseconds: float) -> str:
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.{0 if milliseconds >= 10 else 1}f} ms"


def costs_tables() -> str:
    """Return the tables of queries and messages, and of memory and CPU time."""
    events, sizes = list[Sequence[object]](), list[Sequence[object]]()
    for release, result in _latency().items():
        for name, title in SUBJECTS.items():
            if not (counts := result["counts"].get(name)):
                continue
            for event, words in EVENTS.items():
                events.append((release, title, words, *_costs(counts[event])))
            memory = counts["kilobytes_per_idle_connection"]
            most = max((m for m, times in result["times"].items() if name in times), key=int)
            seconds = result["times"][most][name]["cpu_seconds_per_1000_clicks"]
            sizes.append((release, title, f"{memory:.0f} kB", f"{seconds:.1f} s ({most} members)"))
    events_head = ("oTree", "", "", "queries", "of these writes", "messages", "bytes")
    sizes_head = ("oTree", "", "memory per idle connection", "CPU per 1,000 clicks")
    return f"{markdown.table(events_head, events)}\n{markdown.table(sizes_head, sizes)}"


def _costs(count: Mapping[str, Any]) -> tuple[str, ...]:
    statements = count["statements"]
    queries, writes = (
        sum(statements.get(word, 0) for word in words) for words in (QUERIES, WRITES)
    )
    return f"{queries:g}", f"{writes:g}", f"{count['messages']:g}", f"{count['bytes']:,}"


def circumstances_table() -> str:
    """Return the table of where and when it was measured."""
    return _circumstances(_latency())


def _circumstances(found: Mapping[Version, Mapping[str, Any]]) -> str:
    rows = [
        (
            release,
            result["date"],
            f"`{result['server']}`",
            result["versions"]["python"],
            "{cores} cores, {processor}, {system}".format(**result["machine"]),
        )
        for release, result in found.items()
    ]
    return markdown.table(("oTree", "date", "server", "Python", "machine"), rows)


def digest() -> str:
    """Return the SHA-256 of the results; a plot carries that of the results it was drawn from."""
    texts = b"".join(file.read_bytes() for file in sorted(results.BENCHMARKS.glob("*.json")))
    return hashlib.sha256(texts).hexdigest()


def check() -> None:
    """Raise UserError if a plot was not drawn from these results."""
    for file in (FELT_PLOT, PLOT) if results.benchmarks() else ():
        if not file.exists() or digest() not in file.read_text(encoding="utf-8"):
            raise UserError(f"{file.name} is stale: run `python3 run.py plot`")


@dataclass(frozen=True)
class Curve:
    """The time of the last member (median and 99th percentile, in ms), by the group's size."""

    label: str
    last: Mapping[int, Mapping[str, float]]


def plot(folder: Path = PLOT.parent) -> None:
    """Plot, against the group's size, when the last member has the next page and is notified.

    Raises UserError if Matplotlib is missing, or there are no results.
    """
    if not results.benchmarks():
        raise UserError("there are no results: run `python3 run.py bench` first")
    notified = {release: _curves(SUBJECTS, each["times"]) for release, each in _latency().items()}
    felt = {release: _curves(DESIGNS, result["simulated"]) for release, result in _felt().items()}
    _draw(folder / FELT_PLOT.name, felt, "ms until the last member has the next page")
    _draw(folder / PLOT.name, notified, "ms until the last member is notified")


def _curves(titles: Mapping[str, str], times: Mapping[str, Any]) -> list[Curve]:
    return [
        Curve(title, {int(m): each[name]["last"] for m, each in times.items() if name in each})
        for name, title in titles.items()
    ]


def _draw(file: Path, releases: Mapping[Version, Sequence[Curve]], label: str) -> None:
    """Draw one panel per release: the median as a solid line, the 99th percentile as a dotted."""
    try:
        import matplotlib
    except ImportError as error:
        raise UserError("no Matplotlib: `pip install -e .[bench]`") from error
    matplotlib.use("svg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    pyplot.rcParams.update({"svg.hashsalt": "channelsmin", "svg.fonttype": "none"})
    columns = max(1, min(len(releases), PANELS_IN_A_ROW))
    rows = max(1, -(-len(releases) // columns))
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(3.2 * columns, 3.6 * rows), sharey=True, squeeze=False
    )
    for axis in axes.flat[len(releases) :]:
        axis.remove()
    for axis, (release, curves) in zip(axes.flat, releases.items(), strict=False):
        for number, curve in enumerate(curves):
            if curve.last:
                median, p99 = (
                    [time[key] for time in curve.last.values()] for key in ("p50", "p99")
                )
                axis.loglog([*curve.last], median, "o-", color=f"C{number}", label=curve.label)
                axis.loglog([*curve.last], p99, ":", color=f"C{number}")
        axis.set_title(f"oTree {release}\n{variants.serving(release).name}")
        axis.set_xticks(sorted({members for curve in curves for members in curve.last}))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel("members")
        axis.grid(alpha=0.3)
    for first in axes[:, 0]:
        first.yaxis.set_major_formatter(ScalarFormatter())
        first.set_ylabel(label)
    if releases:
        axes.flat[len(releases) - 1].legend()
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None, "Description": f"drawn from {digest()}"})
    pyplot.close(figure)
