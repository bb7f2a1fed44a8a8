"""Playing an app's first page in a real browser: what a person presses, and what is seen."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from channelsmin.project.doctor import play
from channelsmin.runtime import browser
from channelsmin.runtime.processes import free_port

pytestmark = pytest.mark.skipif(not browser.is_available(), reason="there is no browser")

PAGE = """\
<form id="form" method="post">{content}<button class="otree-btn-next">Next</button></form>
<script>{script}</script>
"""

DONE = '<button type="button" id="done">Done</button>'
FOLLOW = """\
document.getElementById('done').onclick = function () { fetch('/click'); };
setInterval(function () {
    fetch('/state').then(function (answer) { return answer.text(); }).then(function (moved) {
        if (moved === '1') location.href = location.pathname.replace('MyPage/1', 'Results/2');
    });
}, 200);
"""

Start = list[str]


class Site:
    """A site with a page, whose content and script a test sets, and one before it."""

    content = DONE
    script = FOLLOW
    answer = ""
    moved = False
    introduction_ends = True


@pytest.fixture
def site() -> Iterator[tuple[Site, list[str]]]:
    """A running site, and the start links of three members."""
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.moved = made.moved or self.path == "/click"
            text = "1" if made.moved else "0"
            if self.path.startswith("/p/"):
                text = PAGE.format(content=made.content, script=made.script)
                text = "<p>Results</p>" if "Results" in self.path else text
                if "Introduction" in self.path:
                    text = PAGE.format(content="", script="")
            self._send(200, text)

        def do_POST(self) -> None:
            if "Introduction" in self.path:
                self._send(303 if made.introduction_ends else 200, PAGE)
                return
            self._send({"500": 500, "on": 303}.get(made.answer, 200), made.answer)

        def _send(self, status: int, text: str) -> None:
            self.send_response(status)
            if status == 303:
                following = {"MyPage/1": "Results/2", "Introduction/0": "MyPage/1"}
                page = self.path.partition("/x/")[2]
                self.send_header("Location", self.path.replace(page, following[page]))
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        yield made, [f"{url}/p/{member}/x/MyPage/1" for member in "abc"]
        server.shutdown()


def test_one_press_moves_all(site: tuple[Site, list[str]]) -> None:
    played = play.play(site[1])
    assert (played.moved, played.members, played.pressed) == (3, 3, "Done")
    assert played.problems == ()
    assert not played.opened


@pytest.mark.parametrize(("ends", "shown"), [(True, "MyPage"), (False, "Introduction")])
def test_members_go_on_to_the_page_with_the_socket(
    ends: bool, shown: str, site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "MOVE_SECONDS", 2)
    site[0].introduction_ends = ends
    links = [link.replace("MyPage/1", "Introduction/0") for link in site[1]]
    played = play.play(links, ["MyPage"])
    assert play.page_name(played.page) == shown
    assert played.moved == (3 if ends else 0)


def test_a_script_that_dies_is_a_problem_with_its_text(site: tuple[Site, list[str]]) -> None:
    site[0].script = "formInputs.guess.value = 1;"
    played = play.play(site[1])
    assert played.problems == (("load the page", "formInputs is not defined"),)
    assert played.moved == 0


def test_a_picture_of_a_server_that_is_out_of_reach_is_no_problem(
    site: tuple[Site, list[str]],
) -> None:
    site[0].content = DONE + f'<img src="http://127.0.0.1:{free_port()}/x.png">'
    assert play.play(site[1]).problems == ()


def test_a_form_that_the_server_refuses_is_a_problem(
    site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "MOVE_SECONDS", 2)
    site[0].script = "done.onclick = function () { form.submit(); };"
    site[0].answer = '<div class="otree-form-errors">Please fix the errors.</div>'
    played = play.play(site[1])
    assert ("press 'Done'", "the page says: Please fix the errors.") in played.problems
    assert played.moved == 0


def test_an_error_of_the_server_is_a_problem_with_its_address(
    site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "MOVE_SECONDS", 2)
    site[0].script = "done.onclick = function () { form.submit(); };"
    site[0].answer = "500"
    played = play.play(site[1])
    assert any("POST /p/a/x/MyPage/1: status 500" in text for _, text in played.problems)


def test_a_press_that_moves_nobody_moves_nobody(
    site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "MOVE_SECONDS", 1)
    site[0].script = ""
    site[0].answer = "x"
    assert play.play(site[1]).moved == 0


@pytest.mark.parametrize(
    ("answer", "after"), [("on", "Next"), ('<p class="otree-form-errors">Wrong</p>', "")]
)
def test_a_page_whose_button_moves_nobody_is_submitted_next(
    answer: str, after: str, site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the server refuses then is what was filled in here: no problem of the page."""
    monkeypatch.setattr(play, "MOVE_SECONDS", 1)
    site[0].script, site[0].answer = "", answer
    played = play.play(site[1])
    assert (played.pressed, played.moved, played.after) == ("Done", 0, after)
    assert played.problems == ()


@pytest.mark.parametrize(("answer", "what"), [("500", "status 500"), ("x", "")])
def test_a_form_is_submitted_without_scripts_too(
    answer: str, what: str, site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "MOVE_SECONDS", 1)
    site[0].answer = answer
    assert what in play.submit_without_scripts(site[1][0])
    assert not site[0].moved


def test_a_page_without_a_button_for_the_form_is_left_alone(
    site: tuple[Site, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play, "SUBMIT", (".no-such-button",))
    site[0].answer = "500"
    assert play.submit_without_scripts(site[1][0]) == ""
