"""What every test can ask for: the release, its servers, a browser, a group of three.

The suite knows the contract (docs/spec.md) and the wire, and nothing of a variant's code. It
runs in the project's own environment; what is tested lives in the environment that
`--environment` names, and is never imported here.
"""

import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from websockets.typing import Origin

from channelsmin.errors import UserError
from channelsmin.matrix import releases, variants
from channelsmin.runtime import export as exporting
from channelsmin.runtime.environment import Environment
from channelsmin.runtime.export import Export
from channelsmin.runtime.processes import free_port
from channelsmin.runtime.server import Server
from channelsmin.testing import browser as browsers
from harness.faults import Proxy
from harness.instrumented import Laboratory, build, edit
from harness.members import Member, Session, Socket

OpenGroup = Callable[..., list[Member]]
NewContext = Callable[..., BrowserContext]
NewMember = Callable[..., Member]
Connect = Callable[..., Socket]

TRIALS = 2
"""How many trials under fire an ordinary run makes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what a run can be told: which environment, and how much of what."""
    parser.addoption(
        "--environment",
        type=Path,
        metavar="DIR",
        help="the environment under test, named otree<release>; tox gives its own",
    )
    parser.addoption(
        "--variant", metavar="NAME", help="take this variant, also for releases beyond its range"
    )
    parser.addoption(
        "--inputs", type=int, default=100, metavar="N", help="send N inputs of Hypothesis's"
    )
    parser.addoption(
        "--trials", type=int, metavar="N", help="run N trials under fire, of the seeds 0, 1, 2 …"
    )
    parser.addoption("--seed", type=int, metavar="N", help="run the one trial of this seed")
    parser.addoption(
        "--soak", type=float, default=30, metavar="MINUTES", help="how long tests/soak runs"
    )
    parser.addoption(
        "--record",
        type=Path,
        metavar="FILE",
        help="add each trial's outcome to this file, and run none that is in it",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the trials their seeds."""
    if "trial_seed" in metafunc.fixturenames:
        metafunc.parametrize("trial_seed", trial_seeds(metafunc.config))


def trial_seeds(config: pytest.Config) -> list[int]:
    """Return the seeds that the command line asks for, or else a few.

    Those few differ from release to release, so that all faults have their turn.
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
    """Ask first whether the right release is installed: everything else rests on it."""
    items.sort(key=lambda item: "test_the_release_is_the_one" not in item.name)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Apply the deviations that the variant declares: failures that are expected, strictly."""
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
    """Show, with a test that failed, what the servers that it asked for have said last."""
    report = yield
    if report.failed:
        for asked in getattr(item, "funcargs", {}).values():
            server = getattr(asked, "server", asked)
            if isinstance(server, Server):
                report.sections.append((f"end of {server.log}", server.last_output(lines=30)))
    return report


def release_of(config: pytest.Config) -> Version:
    """Return the release that the environment under test is named for."""
    folder: Path | None = config.getoption("--environment")
    if folder is None:
        raise pytest.UsageError("say which environment to test: --environment .tox/otree6.0.15")
    try:
        return releases.find(folder.name.removeprefix("otree"))
    except UserError as problem:
        raise pytest.UsageError(f"{folder} is not named for a release: {problem}") from problem


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
    """What a researcher with this release would export, or with the variant that is named."""
    if name := request.config.getoption("--variant"):
        return Export(exporting.named(name).variant, release)
    return exporting.named(str(release))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium, one for the whole run."""
    with sync_playwright() as playwright:
        chromium = browsers.launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def researcher(browser: Browser) -> Page:
    """The researcher's one tab."""
    return browser.new_page(accept_downloads=True)


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest,
    environment: Environment,
    export: Export,
    release: Version,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The release's development server, on the project just as it was exported.

    Only where a variant is named is its own check of the release passed over: else it would stop
    beyond its range, whether it works there or not.
    """
    folder = tmp_path_factory.mktemp("plain")
    exporting.write(export, folder / "project")
    if request.config.getoption("--variant"):
        edit([folder / "project" / exporting.RELEASE_CHECK], r"sys\.exit\(", "str(")
    command = variants.serving(release).development_server(release)
    server = Server(environment, folder / "project", command, free_port(), folder / "server.log")
    server.prepare()
    with server:
        yield server


@pytest.fixture(scope="session")
def built_laboratory(
    environment: Environment, export: Export, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laboratory]:
    """A copy of the project with three rounds, a twin app and taps."""
    built = build(export, environment, tmp_path_factory.mktemp("laboratory"))
    yield built
    built.server.stop()


@pytest.fixture
def laboratory(built_laboratory: Laboratory) -> Laboratory:
    """The same, with its server up, also where the test before has killed it."""
    if not built_laboratory.server.runs():
        built_laboratory.server.start()
    return built_laboratory


@pytest.fixture
def new_context(browser: Browser) -> Iterator[NewContext]:
    """Return a function that makes one more computer, so to speak, for as long as the test runs.

    It is what is closed, and never one of its tabs: Chromium loses the order to close a tab that
    is just going to another page, and Playwright waits for it without end. Until Chromium has
    mended https://crbug.com/536385539; see https://github.com/microsoft/playwright/issues/41900.
    """
    made: list[BrowserContext] = []

    def new_context(**options: Any) -> BrowserContext:
        made.append(browser.new_context(**options))
        made[-1].set_default_timeout(15_000)
        return made[-1]

    yield new_context
    for context in made:
        context.close()


@pytest.fixture
def new_member(new_context: NewContext) -> NewMember:
    """Return a function that makes a member with a computer of their own, nothing opened yet."""

    def new_member(session: Session, place: int, **options: Any) -> Member:
        return Member(new_context(**options), session, place)

    return new_member


@pytest.fixture
def open_group(new_context: NewContext) -> OpenGroup:
    """Return a function that opens members 1, 2 … of a session, each connected on MyPage.

    They share a computer, which is faster.
    """

    def open_group(session: Session, *places: int) -> list[Member]:
        context = new_context()
        return [Member(context, session, place).open().ready() for place in places]

    return open_group


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return a function that connects a socket to an address, and hangs up after the test."""
    sockets: list[Socket] = []

    def connect(url: str, origin: Origin | None = None) -> Socket:
        sockets.append(Socket(url, origin))
        return sockets[-1]

    yield connect
    for socket in sockets:
        socket.close()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A network between the members and the server, that can be cut and have a weather."""
    with Proxy(server.port) as standing:
        yield standing


@pytest.fixture
def session(researcher: Page, server: Server) -> Session:
    """A new session with one group of three."""
    return Session(researcher, server.url, "channelsmin")


@pytest.fixture
def group(open_group: OpenGroup, session: Session) -> list[Member]:
    """Three members of one group, connected."""
    return open_group(session, 1, 2, 3)
