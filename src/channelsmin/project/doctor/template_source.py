"""The templates of a project: what they include, and which sockets their scripts open."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from channelsmin.project.doctor.app_source import UNKNOWN

INCLUDES = re.compile(r"\{[{%]\s*(include|include_sibling|extends)\s+(['\"])([^'\"]+)\2")
INCLUDES_UNKNOWN = re.compile(r"\{[{%]\s*(?:include|include_sibling|extends)\s+[^'\"\s]")
COMMENTS = re.compile(
    r"\{[{%]\s*comment\b.*?endcomment\s*[}%]\}|<!--.*?-->|\{#.*?#\}|^\s*//[^\n]*"
    r"|(?<![\w'\"])/\*.*?\*/",
    re.DOTALL | re.MULTILINE,
)
EXTENDS = re.compile(r"\s*\{[{%]\s*extends\s+(['\"])([^'\"]+)\1")
BLOCK = re.compile(r"\{[{%]-?\s*(?:(block)\s+(\w+)|(endblock)\b[^}%]*)\s*-?[}%]\}")
OPENS_SOCKET = re.compile(r"\bnew\s+\w*WebSocket\s*\(")
VARIABLE = re.compile(r"\{\{(.*?)\}\}")

NEEDED = re.compile(
    r"<script\b|<(?:input|button|select|textarea)\b"
    r"|\{[{%]\s*(?:formfields?|next_button|include|chat)\b",
    re.IGNORECASE,
)

STATIC = re.compile(
    r"<script\b[^>]*\ssrc\s*=\s*[^>]*?(?:static\s+['\"]([^'\"]+)['\"]|/static/([^'\"\s>?]+))",
    re.IGNORECASE,
)
SCRIPTS = {".js", ".mjs"}

AppContext = Mapping[str, str] | None
"""The variables that a page gives its template, by name; None if they are not certain."""


@dataclass(frozen=True)
class Block:
    """A block of a template: its name, its place, its content; whether it is in another block."""

    name: str
    where: str
    is_inner: bool
    content: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost where it is not shown."""
        return not re.sub(r"\{[{%]-?\s*(block\.)?super\b.*?[}%]\}", "", self.content).strip()

    @property
    def is_needed(self) -> bool:
        """Whether the page does not work without it: it has a script, or a part of the form."""
        return bool(NEEDED.search(self.content))


@dataclass(frozen=True)
class Template:
    """A template: its name, its place in the project, its text without comments."""

    name: str
    path: Path
    text: str

    def at(self, offset: int) -> str:
        """Return the place of a part of it: `_templates/lobby/MyPage.html:12`."""
        return f"{self.path.as_posix()}:{self.text.count(chr(10), 0, offset) + 1}"

    def includes(self) -> Iterator[tuple[str, str]]:
        """Yield the templates that it includes or extends, each with the place."""
        folder = self.name.rpartition("/")[0]
        for match in INCLUDES.finditer(self.text):
            is_sibling = match[1] == "include_sibling" and folder
            yield f"{folder}/{match[3]}" if is_sibling else match[3], self.at(match.start())

    @property
    def extends(self) -> tuple[str, str] | None:
        """The template that it begins with extending, with the place; None if there is none."""
        match = EXTENDS.match(self.text)
        return (match[2], self.at(match.start(1))) if match else None

    @property
    def extends_later(self) -> bool:
        """Whether it extends a template somewhere else: what that does is not known."""
        return not self.extends and bool(EXTENDS.search(self.text))

    def blocks(self) -> list[Block]:
        """Return its blocks, in the order in which they end."""
        found: list[Block] = []
        opened: list[re.Match[str]] = []
        for match in BLOCK.finditer(self.text):
            if not match[3]:
                opened.append(match)
            elif opened:
                start = opened.pop()
                content = self.text[start.end() : match.start()]
                found.append(Block(start[2], self.at(start.start()), bool(opened), content))
        return found

    def static_files(self) -> Iterator[str]:
        """Yield the static scripts that it loads: `{% static "quiz/socket.js" %}`."""
        for match in STATIC.finditer(self.text):
            yield match[1] or match[2]

    @property
    def is_script(self) -> bool:
        """Whether it is a static script, and no template."""
        return self.path.suffix in SCRIPTS

    @property
    def includes_unknown(self) -> bool:
        """Whether it includes or extends a template that is named by a value: `include C.PART`."""
        return bool(INCLUDES_UNKNOWN.search(self.text))

    def first(self, word: str) -> str | None:
        """Return the place of the first occurrence of a word, None if there is none."""
        found = re.search(rf"\b{word}\b", self.text)
        return self.at(found.start()) if found else None


@dataclass(frozen=True)
class Address:
    """The address of a socket that a script opens, as far as it is certain.

    `path` is None if it is not certain. `missing` are variables that no page gives the template.
    """

    path: str | None
    missing: tuple[str, ...]
    where: str
    scheme: str = ""
    host: str = ""
    """Both "" if they are not written out; the host without its port."""


def read(project: Path, release: Version) -> dict[str, Template]:
    """Return the templates of a project by the names that oTree finds them under.

    Those that are included can have any suffix and any depth, the others are HTML files.
    """
    folders = [*sorted(project.glob("*/templates")), project / "_templates"]
    found = {_name(path, at): path for at in folders for path in at.rglob("*.html")}
    if release.major >= 5:  # which also finds them next to the app's modules
        folders.append(project)
        beside = (path for deep in BESIDE for path in project.glob(deep))
        found = {_name(path, project): path for path in beside} | found
    read = {name: _template(name, path, project) for name, path in found.items() if path.is_file()}
    todo = list(read.values())
    for template in todo:
        for name, _ in template.includes():
            files = (path for at in folders if (path := at / name.lstrip("/")).is_file())
            if name not in read and (file := next(files, None)):
                read[name] = _template(name, file, project)
                todo.append(read[name])
    return read


BESIDE = ("*/*.html", "*/*/*.html", "*/*/*/*.html")


def _template(name: str, path: Path, project: Path) -> Template:
    return Template(name, path.relative_to(project), _without_comments(path))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _without_comments(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    return COMMENTS.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def scripts(project: Path) -> dict[str, Template]:
    """Return the static scripts of a project by the names that templates load them by."""
    folders = [project / "_static", *sorted(project.glob("*/static"))]
    found = [(path, at) for at in folders for path in at.rglob("*") if path.suffix in SCRIPTS]
    return {
        _name(path, at): _template(_name(path, at), path, project)
        for path, at in found
        if path.is_file()
    }


def closure(name: str, templates: Mapping[str, Template]) -> list[Template]:
    """Return a template, if it is there, and all that it includes."""
    found: dict[str, Template] = {}
    names = [name]
    while names:
        name = names.pop(0)
        if name in templates and name not in found:
            found[name] = templates[name]
            names += [included for included, _ in templates[name].includes()]
    return list(found.values())


def addresses(shown: list[Template], context: AppContext) -> Iterator[Address]:
    """Yield the sockets that the templates of a page open."""
    texts = "\n".join(template.text for template in shown)
    for template in shown:
        for match in OPENS_SOCKET.finditer(template.text):
            missing: list[str] = []
            written = _value(_terms(template.text, match.end()), texts, context, missing.append)
            scheme, _, rest = written.rpartition("://")
            host = rest.partition("/")[0].partition(":")[0] if scheme else ""
            where = template.at(match.start())
            yield Address(_path(written), tuple(missing), where, scheme, host)


def _path(address: str) -> str | None:
    """Return the path of an address on this server, None if it is not certain."""
    before, slashes, after = address.partition("//")
    host, slash, path = (after if slashes else before).partition("/")
    return slash + path if slash and not host.strip(UNKNOWN) else None


def _value(
    terms: list[str],
    texts: str,
    context: AppContext,
    miss: Callable[[str], None],
    depth: int = 4,
) -> str:
    """Return the value of a JavaScript sum, with UNKNOWN for the parts that are not certain."""
    return "".join(_term(term.strip(), texts, context, miss, depth) for term in terms)


def _term(
    term: str, texts: str, context: AppContext, miss: Callable[[str], None], depth: int
) -> str:
    if len(term) > 1 and term[0] in "'\"`" and term[-1] == term[0]:
        inner = VARIABLE.sub(lambda match: _variable(match[1].strip(), context, miss), term[1:-1])
        return re.sub(r"\$\{.*?\}", UNKNOWN, inner) if term[0] == "`" else inner
    is_name = re.fullmatch(r"[A-Za-z_]\w*", term)
    assigned = [*re.finditer(rf"\b{term}\s*=(?!=)", texts)] if is_name else []
    if len(assigned) == 1 and depth:
        return _value(_terms(texts, assigned[0].end()), texts, context, miss, depth - 1)
    return UNKNOWN


def _variable(name: str, context: AppContext, miss: Callable[[str], None]) -> str:
    """Return the value of a template's variable; report one that no page gives it."""
    if context is None or not name.isidentifier() or name in OTREE_GIVES:
        return UNKNOWN
    if name not in context:
        miss(name)
    return context.get(name, "")


OTREE_GIVES = {
    *("player", "group", "subsession", "session", "participant", "Constants", "C"),
    *("form", "view", "js_vars", "timer_text", "request", "user", "True", "False", "None"),
}
"""The variables that oTree itself gives each page's template."""


def _terms(text: str, start: int) -> list[str]:
    """Return the terms of the sum that begins at this place of a script."""
    depth, quote, begin, terms = 0, "", start, []
    end = len(text)
    for place in range(start, len(text)):
        sign = text[place]
        if quote:
            quote = "" if sign == quote and text[place - 1] != "\\" else quote
        elif sign in "'\"`":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}" and depth:
            depth -= 1
        elif depth:
            continue
        elif sign == "+":
            terms.append(text[begin:place])
            begin = place + 1
        elif sign in ",;)?" or (sign == "\n" and _ends(text[begin:place], text[place:])):
            end = place
            break
    if text[end : end + 1] == "?":  # a choice between two: not certain
        return [""]
    return [*terms, text[begin:end]]


def _ends(before: str, after: str) -> bool:
    """Return whether the end of a line ends a statement without a semicolon."""
    return bool(before.strip()) and not after.lstrip().startswith("+")
