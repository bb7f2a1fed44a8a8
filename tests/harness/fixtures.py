"""The suite's fixtures and options: the release, its servers, a browser, a group of three.

The suite knows the contract and the protocol (docs/spec.md), and nothing of a variant's code. It
runs in the project's own environment. oTree is installed in the environment that `--environment`
names, and is never imported here.
"""

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    ViewportSize,
    sync_playwright,
)
from websockets.typing import Origin

from channelsmin.errors import UserError
from channelsmin.matrix import releases, variants
from channelsmin.runtime import export as exporting
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server
from channelsmin.testing import browser as browsers
from harness.arrivals import Watched
from harness.faults import Proxy
from harness.instrumented import CROWDS, Instrumented, build, edit, many_groups
from harness.members import HURRIED, Member, Network, Session, Socket, Tabs, Visitor
from harness.protocol import MOVED, click
from harness.trials import Plan, Trial

OpenGroup = Callable[..., list[Member]]
NewContext = Callable[[], BrowserContext]
OpenMember = Callable[[Session, int], Member]
SocketUrl = Callable[[Session, str], str]
Connect = Callable[..., Socket]
MoveOn = Callable[[Session, int], None]
RunTrial = Callable[[Callable[[Session, int], Watched]], None]

VIEWPORT: ViewportSize = {"width": 400, "height": 300}
"""Small, since drawing takes time."""

PLAIN = ("--blink-settings=imagesEnabled=false", "--disable-remote-fonts")
"""No pictures and no fonts: the app has none, and oTree's take a tenth of Chromium's time."""

TRIALS = 1
"""How many trials of fault injection an ordinary run makes."""

SMALL = range(CROWDS.start, CROWDS.start + 2)
"""The sizes of groups in an ordinary run, without --trials or --seed."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options: which environment to test, and how many inputs and trials."""
    parser.addoption(
        "--environment",
        type=Path,
        metavar="DIR",
        help="the environment to test, named otree<release>; tox passes its own",
    )
    parser.addoption(
        "--variant", metavar="NAME", help="test this variant, also on releases outside its range"
    )
    parser.addoption("--inputs", type=int, default=100, metavar="N", help="send N generated inputs")
    parser.addoption(
        "--trials",
        type=int,
        metavar="N",
        help="run N trials of fault injection, seeds 0, 1, 2 …",
    )
    parser.addoption("--seed", type=int, metavar="N", help="run one trial, with this seed")
    parser.addoption(
        "--soak", type=float, default=30, metavar="MINUTES", help="how long the soak test runs"
    )
    parser.addoption(
        "--record",
        type=Path,
        metavar="FILE",
        help="append the outcome of each trial to this file; trials in the file are not repeated",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize the trials with their seeds."""
    if "trial_seed" in metafunc.fixturenames:
        metafunc.parametrize("trial_seed", trial_seeds(metafunc.config))


def trial_seeds(config: pytest.Config) -> list[int]:
    """Return the seeds that the command line names, or else a few.

    These few differ from release to release, so that together the releases meet all faults.
    """
    if (seed := config.getoption("--seed")) is not None:
        return [seed]
    if (trials := config.getoption("--trials")) is None:
        first = TRIALS * releases.known().index(release_of(config))
        return list(range(first, first + TRIALS))
    file: Path | None = config.getoption("--record")
    lines = file.read_text().splitlines() if file and file.exists() else []
    recorded = {json.loads(line)["seed"] for line in lines}
    return [seed for seed in range(trials) if seed not in recorded]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check first that the right release is installed: every other test depends on it."""
    items.sort(key=lambda item: "test_the_release_is_the_one" not in item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Mark the expected failures that the variant declares; they are strict."""
    if "release" not in getattr(item, "fixturenames", ()):
        return
    name = getattr(item, "originalname", item.name)
    export = exporting.named(str(release_of(item.config)))
    assert export.release is not None
    for expected in export.variant.expected_failures(export.release):
        if expected.test == name:
            item.add_marker(pytest.mark.xfail(reason=expected.reason, strict=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last output of a failed test's servers."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            server = getattr(value, "server", value)
            if isinstance(server, Server) and server.log.exists():
                report.sections.append((f"end of {server.log}", server.last_output(lines=30)))
    return report


def release_of(config: pytest.Config) -> Version:
    """Return the release that the environment under test is named for."""
    folder: Path | None = config.getoption("--environment")
    if folder is None:
        raise pytest.UsageError("name the environment to test: --environment .tox/otree6.0.15")
    try:
        return releases.find(folder.name.removeprefix("otree"))
    except UserError as error:
        raise pytest.UsageError(f"{folder} is not named for a release: {error}") from error


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest) -> Version:
    """The release under test."""
    return release_of(request.config)


@pytest.fixture(scope="session")
def environment(request: pytest.FixtureRequest, release: Version) -> Environment:
    """The environment under test."""
    return Environment(Path(request.config.getoption("--environment")).resolve())


@pytest.fixture(scope="session")
def export(request: pytest.FixtureRequest, release: Version) -> Export:
    """The export for this release: of the variant that serves it, or of the named one."""
    if name := request.config.getoption("--variant"):
        return Export(exporting.named(name).variant, release)
    return exporting.named(str(release))


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """What drives the browsers, one for the whole run."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A real Chromium, one for the whole run."""
    chromium = browsers.launch(playwright, *PLAIN)
    yield chromium
    chromium.close()


@pytest.fixture(scope="session")
def admin(browser: Browser) -> Page:
    """A tab for oTree's admin pages."""
    return browser.new_page(accept_downloads=True)


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest,
    environment: Environment,
    export: Export,
    release: Version,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The release's development server, on the project as it was exported.

    Only `many_groups` is added to its settings. With --variant, the variant's release check is
    disabled: it would stop the server on a release outside its range, whether the app works there
    or not.
    """
    folder = tmp_path_factory.mktemp("plain")
    exporting.write(export, folder / "project")
    edit([folder / "project" / "settings.py"], "(?=\nLANGUAGE_CODE)", many_groups(162))
    if request.config.getoption("--variant"):
        edit([folder / "project" / exporting.RELEASE_CHECK], r"sys\.exit\(", "str(")
    command = variants.serving(release).development_server(release)
    server = Server(environment, folder / "project", command, free_port(), folder / "server.log")
    server.prepare()
    with server:
        yield server


@pytest.fixture(scope="session")
def built_instrumented(
    environment: Environment, export: Export, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instrumented]:
    """The instrumented copy of the project, with two rounds, a twin app and taps."""
    built = build(export, environment, tmp_path_factory.mktemp("instrumented"))
    with built.server:
        yield built


@pytest.fixture
def instrumented(built_instrumented: Instrumented) -> Instrumented:
    """The instrumented copy with its server running, even if the previous test has killed it."""
    if not built_instrumented.server.runs():
        built_instrumented.server.start()
    return built_instrumented


@dataclass
class Groups:
    """Hands out groups of three that no test has used: parts of large sessions."""

    admin: Page
    guides: dict[str, Session] = field(default_factory=dict)
    """The first group of each session, by the session's code: it belongs to `socket_url`."""

    _unused: dict[tuple[str, str], list[Session]] = field(default_factory=dict)

    def new(self, server: Server, config: str = "many_groups") -> Session:
        """Return a fresh group on this server, in a session of this config."""
        unused = self._unused.setdefault((server.url, config), [])
        if not unused:
            session = Session.create(self.admin, server.url, config)
            self.admin.goto("about:blank")
            number = len(session.links) // 3
            self.guides[session.code], *others = map(session.group, range(1, number + 1))
            unused += reversed(others)
        return unused.pop()


@pytest.fixture(scope="session")
def groups(admin: Page) -> Groups:
    """Fresh groups on each server."""
    return Groups(admin)


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Tabs:
    """Tabs that tests use one after the other."""
    return Tabs(_new_context(browser))


@pytest.fixture(scope="session")
def tabs_without_scripts(browser: Browser) -> Tabs:
    """Tabs in which no script runs."""
    return Tabs(_new_context(browser, java_script_enabled=False))


@pytest.fixture(scope="session")
def network_and_tabs(browser: Browser) -> tuple[Network, Tabs]:
    """Tabs behind a network that can fail, whose pages wait more briefly."""
    context = _new_context(browser)
    context.add_init_script(HURRIED)
    return Network(context), Tabs(context)


@pytest.fixture
def network(network_and_tabs: tuple[Network, Tabs]) -> Iterator[Network]:
    """The network between `open_through_network`'s members and the server; without a fault."""
    network, _ = network_and_tabs
    yield network
    network.restore()


def _new_context(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(**{"viewport": VIEWPORT, **options})
    context.set_default_timeout(15_000)
    return context


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Return a factory of browser contexts, which are closed after the test."""
    contexts: list[BrowserContext] = []

    def new_context() -> BrowserContext:
        contexts.append(_new_context(browser))
        return contexts[-1]

    yield new_context
    for context in contexts:
        context.close()


@pytest.fixture
def context(new_context: NewContext) -> BrowserContext:
    """A browser context of the test's own, with nothing in its cache."""
    return new_context()


@pytest.fixture
def open_member(tabs: Tabs) -> Iterator[OpenMember]:
    """Return a function that opens the start link of a member, in a tab that tests share."""
    yield from _opening(tabs)


@pytest.fixture
def open_without_scripts(tabs_without_scripts: Tabs) -> Iterator[OpenMember]:
    """Return a function that opens the start link of a member whose browser runs no scripts."""
    yield from _opening(tabs_without_scripts)


@pytest.fixture
def open_through_network(
    network_and_tabs: tuple[Network, Tabs], network: Network
) -> Iterator[OpenMember]:
    """Return a function that opens the start link of a member behind `network`."""
    yield from _opening(network_and_tabs[1])


def _opening(tabs: Tabs) -> Iterator[OpenMember]:
    members: list[Member] = []

    def open_member(session: Session, place: int) -> Member:
        members.append(Member(tabs, session, place))
        return members[-1].open()

    yield open_member
    for member in members:
        member.leave()


@pytest.fixture
def open_group(open_member: OpenMember) -> OpenGroup:
    """Return a function that opens members 1, 2 … of a session, each connected on MyPage."""

    def open_group(session: Session, *places: int) -> list[Member]:
        return [open_member(session, place).ready() for place in places]

    return open_group


@pytest.fixture(scope="session")
def socket_url(groups: Groups, tabs: Tabs) -> SocketUrl:
    """Return a function: the address of a participant's socket, who needs no page for it.

    A member's page shows it, once for each session.
    """
    guides: dict[str, Member] = {}

    def socket_url(session: Session, code: str) -> str:
        if session.code not in guides:
            guide = Member(tabs, groups.guides[session.code], 1).open().ready()
            guide.leave()
            guides[session.code] = guide
        return guides[session.code].socket_url_of(code)

    return socket_url


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a factory of raw sockets, which are closed after the test."""
    sockets: list[Socket] = []

    def connect(url: str, origin: Origin | None = None) -> Socket:
        sockets.append(Socket(url, origin))
        return sockets[-1]

    yield connect
    for socket in sockets:
        socket.close()


@pytest.fixture
def move_on(socket_url: SocketUrl, connect: Connect) -> MoveOn:
    """Return a function that lets a member without a page click, and so moves the group."""

    def move_on(session: Session, clicker: int) -> None:
        socket = connect(socket_url(session, Visitor(session, clicker).visit().code))
        socket.send(click())
        assert socket.receive_or_repeat(click()) == MOVED

    return move_on


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A TCP proxy in front of the server whose network faults can be set."""
    with Proxy(server.port) as running:
        yield running


@pytest.fixture
def session(groups: Groups, server: Server) -> Session:
    """A group of three that no test has used."""
    return groups.new(server)


@pytest.fixture(scope="session")
def elsewhere(admin: Page, server: Server) -> Session:
    """Another session on the server; of its group, one member alone never comes: the third."""
    return Session.create(admin, server.url, "channelsmin")


@pytest.fixture
def run_trial(
    instrumented: Instrumented,
    groups: Groups,
    admin: Page,
    tabs: Tabs,
    trial_seed: int,
    request: pytest.FixtureRequest,
) -> RunTrial:
    """Return a function: run a trial with members on MyPage, each of whom the argument opens."""
    option = request.config.getoption
    is_ordinary = option("--trials") is option("--seed") is None
    plan = Plan.of(trial_seed, SMALL if is_ordinary else CROWDS)

    def run_trial(open_member: Callable[[Session, int], Watched]) -> None:
        bystander = Visitor(groups.new(instrumented.server), 1).visit()
        with Proxy(instrumented.server.port, plan.seed) as proxy:
            # One place more than members, for a misbehaving client.
            session = Session.create(admin, proxy.url, f"crowd_{plan.members + 1}")

            def socket_url_of(code: str) -> str:
                guide = Member(tabs, session, plan.members + 1).open().ready()
                guide.leave()
                return guide.socket_url_of(code)

            members = [open_member(session, place) for place in range(1, plan.members + 1)]
            trial = Trial(plan, instrumented, proxy, session, members, socket_url_of)
            outcome = trial.run(bystander)
        if file := option("--record"):
            outcome.record(plan, file)
        outcome.check(plan)

    return run_trial
