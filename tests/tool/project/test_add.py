"""`channelsmin add`: what it writes into a project, and what it refuses."""

import ast
import itertools
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from channelsmin.errors import UserError
from channelsmin.matrix import variants
from channelsmin.project import add
from channelsmin.project.settings import SettingsFile
from channelsmin.project.settings_edit import SettingsEditor
from channelsmin.runtime import export

NEWEST = ("2.2.4", "2.5.8", "3.4.0", "6.0.15")
"""A release of each era."""

PLAIN = "SESSION_CONFIGS = []\nLANGUAGE_CODE = 'en'\n"

STYLES = {
    # As oTree's first projects are: literals, a commented one, and a last line that reads it all.
    "2.0.0": """\
  import otree.settings
  SESSION_CONFIG_DEFAULTS = {'doc': "",}

  SESSION_CONFIGS = [
      # {
      #     'name': '...',
      # }
+     {
+         'name': 'channelsmin',
+         'display_name': 'One button moves the whole group',
+         'num_demo_participants': 3,
+         'app_sequence': ['channelsmin'],
+     },
  ]
+
+ # oTree collects the routes of these apps, from their otree_extensions/routing.py.
+ EXTENSION_APPS = ['channelsmin']
  # below this line: with caution
  otree.settings.augment_settings(globals())
""",
    # No comma behind the last item, comments around it, and a list of extensions on one line.
    "2.2.4": """\
- EXTENSION_APPS = ["otree_tools"]  # ours
+ EXTENSION_APPS = ["otree_tools", 'channelsmin']  # ours
  SESSION_CONFIGS = [
    {
      'name': 'survey', 'app_sequence': ['survey'],
-   }  # the last one
+   },  # the last one
    # and no more
+   {
+       'name': 'channelsmin',
+       'display_name': 'One button moves the whole group',
+       'num_demo_participants': 3,
+       'app_sequence': ['channelsmin'],
+   },
  ]
""",
    # No list of extensions, and no Redis.
    "2.3.2": """\
  SESSION_CONFIG_DEFAULTS = dict(doc="")
- SESSION_CONFIGS = []
+ SESSION_CONFIGS = [
+     dict(
+         name='channelsmin',
+         display_name='One button moves the whole group',
+         num_demo_participants=3,
+         app_sequence=['channelsmin'],
+     ),
+ ]
+
+ # oTree collects the routes of these apps, from their otree_extensions/routing.py.
+ EXTENSION_APPS = ['channelsmin']
+
+ # 2.3.0b2 to 2.3.2 need Redis even for the development server, unless this is set.
+ import sys
+
+ if 'devserver' in sys.argv:
+     CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}
""",
    # A tuple of extensions with one item, and configs that are added to in several ways.
    "2.5.8": """\
- EXTENSION_APPS = ('otree_tools',)
+ EXTENSION_APPS = ('otree_tools', 'channelsmin')
  SESSION_CONFIGS = [dict(name='one', app_sequence=['one'])]
  SESSION_CONFIGS += [
      dict(name='two', app_sequence=['two']),
+     dict(
+         name='channelsmin',
+         display_name='One button moves the whole group',
+         num_demo_participants=3,
+         app_sequence=['channelsmin'],
+     ),
  ]
  if len(SESSION_CONFIGS) > 1:
      SESSION_CONFIGS += [dict(name='three', app_sequence=['three'])]
  SESSION_CONFIGS.append(dict(name='four', app_sequence=['four']))
""",
    # Tuples over several lines.
    "2.6.0b24": """\
  EXTENSION_APPS = (
      'otree_tools',
+     'channelsmin',
  )
  SESSION_CONFIGS = (
      {
          'name': 'one', 'app_sequence': ['one']},
-     dict(name='two', app_sequence=['two'])
+     dict(name='two', app_sequence=['two']),
+     dict(
+         name='channelsmin',
+         display_name='One button moves the whole group',
+         num_demo_participants=3,
+         app_sequence=['channelsmin'],
+     ),
  )
""",
    # The bracket behind the last item.
    "3.4.0": """\
  EXTENSION_APPS = ['otree_tools',
-                   'otree_markets']
+                   'otree_markets',
+                   'channelsmin']
  SESSION_CONFIGS = [
      dict(name='one', app_sequence=['one']),
-     dict(name='two', app_sequence=['two'])]
+     dict(name='two', app_sequence=['two']),
+     dict(
+         name='channelsmin',
+         display_name='One button moves the whole group',
+         num_demo_participants=3,
+         app_sequence=['channelsmin'],
+     )]
""",
    # No line end at the end, a type, and nothing about extensions.
    "6.0.15": """\
  SESSION_CONFIGS: list = [
      dict(name='one', app_sequence=['one']),  # so far
+     dict(
+         name='channelsmin',
+         display_name='One button moves the whole group',
+         num_demo_participants=3,
+         app_sequence=['channelsmin'],
+     ),
  ]""",
}
"""Settings in the style of each era, as the differences that adding the app makes.

A `+` and a `-` stand before what is new and what was there before, as in a diff.
"""


def side(wanted: str, sign: str) -> str:
    """Return the settings of a style as they were ("-") or as they are to be ("+")."""
    lines = STYLES[wanted].splitlines(keepends=True)
    return "".join(line[2:] or "\n" for line in lines if line[0] in f" \n{sign}")


def project(folder: Path, settings: str | bytes = PLAIN) -> Path:
    folder.mkdir(exist_ok=True)
    settings = settings.encode() if isinstance(settings, str) else settings
    (folder / "settings.py").write_bytes(settings)
    return folder


def added(
    folder: Path, settings: str | bytes = PLAIN, wanted: str = "3.4.0", app: str = add.APP
) -> bytes:
    """Add the app to a new project, and return its settings."""
    add.run(project(folder, settings), app, wanted, sure=True)
    return (folder / "settings.py").read_bytes()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def values(settings: bytes | str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(settings, names)  # written by this very test
    return names


@pytest.fixture(autouse=True)
def otree(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for oTree's settings; return what they were called with."""
    seen: list[dict[str, Any]] = []
    module = ModuleType("otree")
    module.settings = ModuleType("otree.settings")  # type: ignore[attr-defined]
    module.settings.augment_settings = lambda settings: seen.append(dict(settings))
    monkeypatch.setitem(sys.modules, "otree", module)
    monkeypatch.setitem(sys.modules, "otree.settings", module.settings)
    return seen


each_style = pytest.mark.parametrize("wanted", STYLES)


@each_style
def test_only_what_must_be_is_changed(wanted: str, tmp_path: Path) -> None:
    assert added(tmp_path, side(wanted, "-"), wanted).decode() == side(wanted, "+")


@each_style
def test_the_settings_mean_what_they_meant_and_the_app(
    wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["otree", "devserver"])
    before, after = values(side(wanted, "-")), values(added(tmp_path, side(wanted, "-"), wanted))
    config = {
        "name": "channelsmin",
        "display_name": "One button moves the whole group",
        "num_demo_participants": 3,
        "app_sequence": ["channelsmin"],
    }
    configs = list(after["SESSION_CONFIGS"])
    configs.remove(config)
    assert configs == list(before["SESSION_CONFIGS"])
    if wanted == "6.0.15":
        assert "EXTENSION_APPS" not in after
    else:
        extensions = [*before.get("EXTENSION_APPS", ()), "channelsmin"]
        assert list(after["EXTENSION_APPS"]) == extensions
    needs_layer = wanted == "2.3.2"
    assert ("CHANNEL_LAYERS" in after) == needs_layer


def test_what_is_added_stands_above_the_line_that_reads_the_settings(
    otree: list[dict[str, Any]], tmp_path: Path
) -> None:
    values(added(tmp_path, side("2.0.0", "-"), "2.0.0"))
    assert otree[0]["EXTENSION_APPS"] == ["channelsmin"]
    assert len(otree[0]["SESSION_CONFIGS"]) == 1


@each_style
def test_a_second_time_nothing_changes(wanted: str, tmp_path: Path, said: list[str]) -> None:
    added(tmp_path, side(wanted, "-"), wanted)
    before = contents(tmp_path)
    said.clear()
    add.run(tmp_path, add.APP, wanted, sure=False)
    assert said == [f"nothing to do: {tmp_path} has the app channelsmin already"]
    assert contents(tmp_path) == before


def test_a_list_is_added_to_however_it_is_laid_out() -> None:
    items = ("", "{0}", "({0}), {0}", "{0},\n  {0}", "{0} # x\n , # y\n\t{0}")
    ends = ("", " ", "\n", "  # one\n  # two\n    ")
    layouts = itertools.product(("[]", "()"), ("", "\n    "), items, ("", ",", " ,"), ends)
    for brackets, before, item, comma, behind in layouts:
        if (not item and comma) or (brackets == "()" and item == "{0}" and not comma):
            continue  # no Python, or no tuple
        inside = before + item.format("dict(name='x', app_sequence=[])") + comma + behind
        text = f"SESSION_CONFIGS = {brackets[0]}{inside}{brackets[1]}  # end\n"
        text += text.replace("SESSION_CONFIGS", "EXTENSION_APPS")
        editor = SettingsEditor(SettingsFile(text.encode()))
        editor.add_config("lobby")
        editor.add_extension("lobby")
        new = editor.changed()
        *configs, config = values(new)["SESSION_CONFIGS"]
        assert (configs, config["name"]) == ([*values(text)["SESSION_CONFIGS"]], "lobby"), text
        extensions = [*values(text)["EXTENSION_APPS"], "lobby"]
        assert [*values(new)["EXTENSION_APPS"]] == extensions, text
        rest = iter(new.decode())
        assert all(character in rest for character in text), f"taken away from {text}"


def test_what_comes_after_the_last_line_comes_on_a_line_of_its_own(tmp_path: Path) -> None:
    new = added(tmp_path, "SESSION_CONFIGS = []").decode()
    assert "\n]\n\n# oTree collects" in new
    assert new.endswith("\nEXTENSION_APPS = ['channelsmin']\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "iso-8859-1", "utf-8"])
def test_line_ends_and_the_encoding_stay(encoding: str, tmp_path: Path) -> None:
    coding = "" if encoding == "utf-8-sig" else f"# -*- coding: {encoding} -*-\r\n"
    start, end = f"{coding}SESSION_CONFIGS = [\r\n    # für später\r\n", "]\r\nX = 'ü'\r\n"
    new = added(tmp_path, (start + end).encode(encoding), "6.0.15")
    assert new.startswith(start.encode(encoding))
    assert new.decode(encoding).endswith(",\r\n" + end)
    assert new.count(b"\n") == new.count(b"\r\n") > 5


@pytest.mark.parametrize(
    ("settings", "wanted", "message"),
    [
        ("SESSION_CONFIGS = [\n", "3.4.0", "a syntax error, line 1: fix it first"),
        (b"# -*- coding: klingon -*-\n", "3.4.0", "cannot be read: unknown encoding: klingon"),
        (
            "X = 1\n",
            "6.0.15",
            "no plain list SESSION_CONFIGS: by hand, add dict(name='channelsmin'",
        ),
        ("SESSION_CONFIGS = configs()\n", "6.0.15", "no plain list SESSION_CONFIGS: by hand"),
        ("SESSION_CONFIGS = [x for x in ()]\n", "6.0.15", "no plain list SESSION_CONFIGS: by hand"),
        (f"{PLAIN}SESSION_CONFIGS = SESSION_CONFIGS[1:]\n", "6.0.15", "no plain list SESSION_CONF"),
        (f"{PLAIN}if 1:\n    SESSION_CONFIGS = []\n", "6.0.15", "no plain list SESSION_CONFIGS"),
        (f"from base import SESSION_CONFIGS\n{PLAIN}", "6.0.15", "no plain list SESSION_CONFIGS"),
        (
            f"from base import *\n{PLAIN}",
            "3.4.0",
            "imports * from elsewhere: by hand, add dict(nam",
        ),
        (
            "from base import *\nSESSION_CONFIGS += [dict(app_sequence=['channelsmin'])]\n",
            "3.4.0",
            "imports * from elsewhere: by hand, add 'channelsmin' to EXTENSION_APPS; then",
        ),
        (f"{PLAIN}EXTENSION_APPS = 'other',\n", "3.4.0", "no plain list EXTENSION_APPS: by hand"),
        (f"{PLAIN}EXTENSION_APPS = ['other'] + MORE\n", "3.4.0", "add 'channelsmin' to EXTENSION"),
        (f"{PLAIN}CHANNEL_ROUTING = 'other.routing.routes'\n", "2.2.4", "has a CHANNEL_ROUTING"),
        (
            "SESSION_CONFIGS = [dict(name='channelsmin', app_sequence=['other'])]\n",
            "3.4.0",
            "has a session config 'channelsmin': name your app with --app",
        ),
    ],
)
def test_what_is_not_certain_is_refused_in_one_line(
    settings: str | bytes, wanted: str, message: str, tmp_path: Path
) -> None:
    before = contents(project(tmp_path, settings))
    with pytest.raises(UserError) as refused:
        add.run(tmp_path, add.APP, wanted, sure=True)
    assert str(refused.value).startswith("settings.py ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("wanted", NEWEST[:3])
def test_what_is_to_be_written_by_hand_is_all_that_is_missing(wanted: str, tmp_path: Path) -> None:
    settings = "from base import *\n"
    with pytest.raises(UserError, match="by hand, add ") as refused:
        added(tmp_path, settings, wanted)
    config = str(refused.value).partition("by hand, add ")[2].partition(" to SESSION_CONFIGS")[0]
    assert "; 'channelsmin' to EXTENSION_APPS; " in str(refused.value)
    settings += f"SESSION_CONFIGS += [{config}]\nEXTENSION_APPS += ['channelsmin']\n"
    assert added(tmp_path, settings, wanted).decode() == settings
    assert (tmp_path / "channelsmin" / "models.py").exists()
    assert not (tmp_path / "settings.py.before-channelsmin").exists()


def test_who_asks_for_redis_by_channel_layers_keeps_them(tmp_path: Path) -> None:
    new = added(tmp_path, f"{PLAIN}CHANNEL_LAYERS = {{}}\n", "2.3.2")
    assert new.count(b"CHANNEL_LAYERS") == 1


def test_sys_is_imported_once(tmp_path: Path) -> None:
    assert added(tmp_path, f"import sys\n{PLAIN}", "2.3.0b2").count(b"import sys") == 1


@pytest.mark.parametrize(
    "origin",
    [
        "from otree.channels.routing import channel_routing as routes",
        "from channelsmin.otree_extensions.routing import channel_routing as routes",
    ],
)
def test_a_channel_routing_that_leads_to_the_app_is_left_alone(origin: str, tmp_path: Path) -> None:
    settings = f"{PLAIN}CHANNEL_ROUTING = 'other.routing.routes'\n"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "routing.py").write_text(f"{origin}\nroutes += []\n")
    assert added(tmp_path, settings, "2.2.4").endswith(
        b"CHANNEL_ROUTING = 'other.routing.routes'\n"
    )


def test_later_releases_pass_over_a_channel_routing(tmp_path: Path) -> None:
    added(tmp_path, f"{PLAIN}CHANNEL_ROUTING = 'other.routing.routes'\n", "2.3.33")


@pytest.mark.parametrize("wanted", NEWEST)
def test_the_app_is_the_exported_one(wanted: str, tmp_path: Path) -> None:
    added(tmp_path / "mine", wanted=wanted)
    export.write(export.named(wanted), tmp_path / "exported")
    ours, theirs = (tmp_path / name / "channelsmin" for name in ("mine", "exported"))
    assert {path.relative_to(ours): text for path, text in contents(ours).items()} == {
        path.relative_to(theirs): text for path, text in contents(theirs).items()
    }


@pytest.mark.parametrize("wanted", NEWEST)
def test_another_name_is_the_app_s_throughout(wanted: str, tmp_path: Path) -> None:
    settings = added(tmp_path, wanted=wanted, app="lobby").decode()
    assert "channelsmin" not in settings
    assert values(settings)["SESSION_CONFIGS"][0]["app_sequence"] == ["lobby"]
    assert (tmp_path / "lobby" / "templates" / "lobby" / "MyPage.html").exists()
    for path, text in contents(tmp_path / "lobby").items():
        assert b"channelsmin" not in text
        assert "channelsmin" not in str(path.relative_to(tmp_path))
        if path.suffix == ".py":
            ast.parse(text)


def test_the_start_of_several_apps(tmp_path: Path) -> None:
    one = added(tmp_path)
    add.run(tmp_path, "lobby", "3.4.0", sure=True)
    names = values((tmp_path / "settings.py").read_text())
    assert [config["name"] for config in names["SESSION_CONFIGS"]] == ["channelsmin", "lobby"]
    assert names["EXTENSION_APPS"] == ["channelsmin", "lobby"]
    assert (tmp_path / "settings.py.before-channelsmin").read_text() == PLAIN
    assert (tmp_path / "settings.py.before-lobby").read_bytes() == one


@pytest.mark.parametrize("app", ["", "two words", "1st", "class", "größe", "a/b", "../a", "a-b"])
def test_a_name_that_python_cannot_import_is_refused(app: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be an app's name: use letters, digits and _"):
        added(tmp_path, app=app)


@pytest.mark.parametrize("app", ["otree", "random", "auth", "wait_page"])
def test_a_name_that_is_python_s_or_otree_s_is_refused(app: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Python or oTree uses it already"):
        added(tmp_path, app=app)


@pytest.mark.parametrize("taken", ["lobby/models.py", "lobby.py", "_templates/lobby/MyPage.html"])
def test_a_name_that_the_project_uses_is_refused(taken: str, tmp_path: Path) -> None:
    (tmp_path / taken).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / taken).write_text("")
    before = contents(project(tmp_path))
    with pytest.raises(UserError, match="is in the way"):
        add.run(tmp_path, "lobby", "3.4.0", sure=True)
    assert contents(tmp_path) == before


def test_an_app_that_was_edited_is_left_alone(tmp_path: Path) -> None:
    added(tmp_path)
    (tmp_path / "channelsmin" / "models.py").write_text("edited")
    before = contents(tmp_path)
    with pytest.raises(UserError, match="differs from what would be written"):
        add.run(tmp_path, add.APP, "3.4.0", sure=True)
    assert contents(tmp_path) == before


def test_what_python_keeps_beside_the_app_does_not_count(tmp_path: Path) -> None:
    settings = added(tmp_path)
    (tmp_path / "channelsmin" / "__pycache__").mkdir()
    (tmp_path / "channelsmin" / "__pycache__" / "models.cpython-37.pyc").write_text("")
    assert added(tmp_path, settings) == settings


def test_settings_that_cannot_be_replaced_leave_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    for is_there_before in (False, True):
        with monkeypatch.context() as broken:
            broken.setattr(Path, "replace", full)
            with pytest.raises(UserError, match="the disk is full"):
                added(tmp_path)
        assert (tmp_path / "settings.py").read_text() == PLAIN
        assert (tmp_path / "channelsmin").exists() == is_there_before
        assert (tmp_path / "settings.py.before-channelsmin").exists() == is_there_before
        added(tmp_path)


def test_an_app_that_is_there_only_gets_its_settings(tmp_path: Path) -> None:
    settings = added(tmp_path)
    assert added(tmp_path, PLAIN) == settings


def test_the_settings_mode_stays_and_a_link_stays_one(tmp_path: Path) -> None:
    project(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "settings.py").chmod(0o640)
    (tmp_path / "project").mkdir()
    link = tmp_path / "project" / "settings.py"
    link.symlink_to("../elsewhere/settings.py")
    add.run(tmp_path / "project", add.APP, "3.4.0", sure=True)
    assert link.is_symlink()
    assert "channelsmin" in link.read_text()
    assert link.stat().st_mode & 0o777 == 0o640


def channelsmin(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a script does."""
    command = [sys.executable, "-m", "channelsmin", *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def test_who_cannot_be_asked_sees_what_would_be_written_and_must_say_yes(tmp_path: Path) -> None:
    before = contents(project(tmp_path))
    ended = channelsmin("add", tmp_path, "--otree", "3.4.0")
    assert ended.returncode == 1
    assert ended.stderr.startswith("channelsmin: nothing written: no terminal to ask on")
    assert ended.stderr.count("\n") == 1
    assert "+EXTENSION_APPS = ['channelsmin']" in ended.stdout.splitlines()
    assert "new: channelsmin/models.py" in ended.stdout.splitlines()
    assert contents(tmp_path) == before
    assert channelsmin("add", tmp_path, "--otree", "3.4.0", "--yes").returncode == 0
    shown = {line[5:] for line in ended.stdout.splitlines() if line.startswith("new: ")}
    written = {str(path.relative_to(tmp_path)) for path in contents(tmp_path)}
    assert written == {*shown, "settings.py"}


@pytest.mark.parametrize(("answer", "writes"), [("y", True), ("", False), ("no", False)])
def test_who_can_be_asked_is(
    answer: str, writes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    with nullcontext() if writes else pytest.raises(UserError, match="nothing written"):
        add.run(project(tmp_path), add.APP, "3.4.0", sure=False)
    assert (tmp_path / "channelsmin").exists() == writes


def test_the_release_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("otree==2.2.4\n")
    ended = channelsmin("add", project(tmp_path), "--yes")
    assert ended.returncode == 0, ended.stderr
    check = (tmp_path / "channelsmin" / "release_check.py").read_text()
    assert "serves oTree 1.5.0b1 to 2.2.4" in check


@pytest.mark.parametrize("what", [["--otree", "9.9.9"], ["--otree", "1.5.0"]])
def test_a_release_that_cannot_be_served_is_refused(what: list[str], tmp_path: Path) -> None:
    ended = channelsmin("add", project(tmp_path), *what)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1


def test_a_folder_without_settings_is_no_project(tmp_path: Path) -> None:
    ended = channelsmin("add", tmp_path, "--otree", "3.4.0", "--yes")
    assert ended.returncode == 1
    assert "it has no settings.py" in ended.stderr


@pytest.mark.parametrize("variant", variants.load_all(), ids=lambda variant: variant.name)
def test_a_variant_says_of_itself_what_its_own_settings_do(variant: variants.Variant) -> None:
    settings = (variant.folder / "settings.py").read_text()
    assert ("extension_apps" in variant.facts) == ("EXTENSION_APPS = " in settings)
    layer = (
        "    CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}\n"
    )
    assert ("layer_in_memory" in variant.facts) == (layer in settings)


def test_an_assumed_release_is_said_before_anything_is_written(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "settings.py").write_text("SESSION_CONFIGS = []\n")
    (tmp_path / "requirements.txt").write_text("otree>=2.3\n")
    (tmp_path / "routing.py").write_text("websocket_routes = []\n")
    add.run(tmp_path, "lobby", None, sure=True)
    assert said[0].startswith(
        f"for oTree 3.4.0, in {tmp_path}:\nassumed: the code tells the release"
    )
