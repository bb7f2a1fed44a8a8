"""Check templates against this release: filters, tags, blocks, script names, and forms."""

import ast
import re
from collections.abc import Iterator

from packaging.version import Version

from channelsmin.matrix import api_changes
from channelsmin.project.doctor.app_source import App, Page, name_of
from channelsmin.project.doctor.context import LIVE_PAGES, Check, Context, live_method_of
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Template

EXPRESSION = re.compile(r"\{\{(.*?)\}\}|\{%(.*?)%\}")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
FILTER = re.compile(r"(?<!\|)\|\s*([A-Za-z_]\w*)")
SHIPPED = ("otree/", "global/")
"""How the names of oTree's own base templates begin."""

CONTROL = re.compile(
    r"<(?i:button|input|select|textarea|fieldset)\b[^>]*?\s(?i:name|id)\s*=\s*(['\"]?)submit\1(?=[\s>/])"
)
HIDDEN = re.compile(r"\.submit\s*\(")
"""A call that a control called submit hides; requestSubmit is another method."""

SUBMITS = re.compile(
    r"\.(?:submit|requestSubmit)\s*\(|otree-btn-next['\"]\s*\)(?:\[0\])?\s*\.(?:click|trigger)\s*\("
)
"""What submits the form: of a press of the Next button, the browser checks the fields first."""

HEARS = re.compile(r"function\s+liveRecv\s*\(|\bliveRecv\s*=|\.onmessage\s*=|\(['\"]message['\"]")
SETS_VALUE = re.compile(r"\.(?:value|checked|valueAsNumber)\s*=[^=]|\.val\(|setAttribute\(")


def _shown(app: App, context: Context) -> list[Template]:
    """Return all templates that the app's pages show, each once."""
    return list({one.name: one for page in app.pages() for one in context.shown(page)}.values())


def _loaded(app: App, context: Context) -> list[Template]:
    """Return all templates that the app's pages show, and the static scripts that they load."""
    return list({one.path: one for page in app.pages() for one in context.loaded(page)}.values())


def _filters_and_tags(app: App, context: Context) -> Iterator[Finding]:
    """Find Django's filters and tags, which oTree's own template engine does not have."""
    filters = api_changes.template_filters(context.release)
    tags = api_changes.template_tags(context.release)
    if not filters or any("otree.templating" in module for module, _, _ in app.imports()):
        return
    for template in _shown(app, context):
        gone: dict[tuple[str, str], list[str]] = {}
        for match in EXPRESSION.finditer(template.text):
            written = QUOTED.sub(lambda quoted: " " * len(quoted[0]), match[1] or match[2] or "")
            names = [("filter", name) for name in FILTER.findall(written) if name not in filters]
            tag = re.match(r"\s*-?\s*(\w+)", match[2] or "")
            if (
                tag
                and tag[1] not in tags
                and (context.release < SAME_BRACES or tag[1] in api_changes.all_tags())
                and not (tag[1].startswith("end") and ("tag", tag[1][3:]) in gone)
            ):
                names.append(("tag", tag[1]))
            for one in names:
                gone.setdefault(one, []).append(template.at(match.start()))
        for (kind, name), places in gone.items():
            yield Finding(
                f"the {kind} {name} is not one of oTree {context.release}{_more(places)}",
                places[0],
                "from oTree 5 on templates are not Django's: the page ends in an error",
                _instead_of_filter(name, filters)
                if kind == "filter"
                else "write it with the tags that oTree has, or in the page's script",
            )


def _more(places: list[str]) -> str:
    """Return in words on how many more lines something is, "" if only on one."""
    count = len(set(places)) - 1
    return f" (and {count} more line{'s' * (count > 1)})" if count else ""


def _instead_of_filter(name: str, filters: frozenset[str]) -> str:
    if instead := api_changes.filter_instead(name):
        return f"use {instead}"
    return f"compute the value in vars_for_template; the filters are {', '.join(sorted(filters))}"


def _script_names(app: App, context: Context) -> Iterator[Finding]:
    """Find names that oTree's scripts define in other releases only."""
    for missing in api_changes.missing_script_names(context.release):
        defines = re.compile(
            rf"(?:var|let|const|function)\s+{missing.name}\b|\b{missing.name}\s*=[^=]"
            rf"|typeof\s+{missing.name}\b|\bwindow\.{missing.name}\b"
        )
        shown = _loaded(app, context)
        if any(defines.search(one.text) for one in shown) or context.scripts_match(defines):
            continue
        uses = re.compile(rf"(?<![\w.'\"/-]){missing.name}\b(?![\w'\"-])")
        for template in shown:
            if match := uses.search(_scripts_only(template)):
                yield Finding(
                    f"the script uses {missing.name}, which oTree {context.release} does not have",
                    template.at(match.start()),
                    f"oTree has it {missing.in_words}; elsewhere the script stops there with a "
                    "ReferenceError",
                    f"use {missing.instead}",
                )
                break


def _scripts_only(template: Template) -> str:
    """Return a text in which all that is not a script is blank, so that places stay the same."""
    text, blank, done = template.text, "", 0
    if template.is_script:
        return LINE_COMMENT.sub(lambda found: " " * len(found[0]), text)
    for match in re.finditer(
        r"<script\b[^>]*>(.*?)</script>|\bon\w+=\"([^\"]*)\"|\bon\w+='([^']*)'", text, re.DOTALL
    ):
        start, end = match.span(match.lastindex or 0)
        blank += re.sub(r"[^\n]", " ", text[done:start])
        blank += LINE_COMMENT.sub(lambda found: " " * len(found[0]), text[start:end])
        done = end
    return blank + re.sub(r"[^\n]", " ", text[done:])


LINE_COMMENT = re.compile(r"(?<![:'\"/\\])//[^\n]*")
"""What follows two slashes in a script, except in an address."""


def _blocks(app: App, context: Context) -> Iterator[Finding]:
    """Find blocks that no base template has: nothing of them is shown."""
    for page in app.pages():
        if page.template not in context.templates:
            continue
        chain, whole = _chain(context.templates[page.template], context)
        if not whole:
            continue
        known = api_changes.template_blocks(context.release)
        own = {block.name for base in chain[1:] for block in base.blocks()}
        own_base = len(chain) > 1 and not _is_shipped(chain[-1])
        if own_base:
            known = frozenset(own)
        elif not chain[-1].extends and context.api != LIVE_PAGES:
            continue
        known |= own
        for block in chain[0].blocks():
            if block.name not in known and not block.is_inner and not block.is_empty:
                yield Finding(
                    f"the base template has no block {block.name!r}",
                    block.where,
                    "nothing of this block is shown, and no script in it runs",
                    f"use one of {', '.join(sorted(known & COMMON) or sorted(known))}",
                    is_remark=own_base or not block.is_needed,
                )


SAME_BRACES = Version("5.4.3")
"""From here on `{% name %}` prints the variable, as `{{ name }}` does (matrix/code_signs.toml)."""

COMMON = frozenset({"title", "content", "scripts", "styles"})


def _is_shipped(template: Template) -> bool:
    extends = template.extends
    return extends is not None and extends[0].startswith(SHIPPED)


def _chain(template: Template, context: Context) -> tuple[list[Template], bool]:
    """Return a template and those that it extends, and whether all of them are known."""
    chain = [template]
    while extends := chain[-1].extends:
        name = extends[0]
        if name in context.templates and context.templates[name] not in chain:
            chain.append(context.templates[name])
            continue
        return chain, name.startswith(SHIPPED)
    return chain, not (chain[-1].includes_unknown or chain[-1].extends_later)


def _own_base(app: App, context: Context) -> Iterator[Finding]:
    """Find live pages whose base template does not load oTree's scripts."""
    for page in app.pages():
        if page.template not in context.templates or not live_method_of(page.node):
            continue
        chain, whole = _chain(context.templates[page.template], context)
        base = chain[-1]
        is_alone = whole and len(chain) == 1 and not base.extends
        if is_alone and not base.blocks() and context.release >= SAME_BRACES:
            yield Finding(
                f"{base.name} has no block, so nothing of it is shown",
                f"{base.path.as_posix()}:1",
                "oTree shows the blocks title, content, scripts and styles of a page's template in "
                "its own base template, and nothing else",
                "write {{ block content }} before its content, and {{ endblock }} after it",
            )
        if not whole or len(chain) < 2 or base.extends or "otree/js/live.js" in base.text:
            continue
        _, where = chain[-2].extends or ("", "")
        yield Finding(
            f"{base.name} does not extend otree/Page.html, so the page {page.node.name} opens no "
            "socket",
            where,
            "oTree's base template loads the scripts that define liveSend and open the socket",
            f'begin {base.name} with {{% extends "otree/Page.html" %}}, or extend that directly',
        )


def _submit_controls(app: App, context: Context) -> Iterator[Finding]:
    """Find a control called `submit`, which hides the form's own method of this name."""
    for page in app.pages():
        shown = context.shown(page)
        submits = any(HIDDEN.search(one.text) for one in shown)
        submits = submits or context.scripts_have(".submit(")
        if submits and "submit" in app.form_fields(page):
            yield Finding(
                f"a field of the page {page.node.name} is called submit",
                app.modules[page.module].at(page.node),
                "form.submit is then the control of this field: a script that calls it ends with "
                "`form.submit is not a function`, and nobody moves",
                "give the field another name",
            )
        for template in shown:
            for match in CONTROL.finditer(template.text):
                yield Finding(
                    f"a control on the page {page.node.name} is called submit",
                    template.at(match.start()),
                    "form.submit is then this control: a script that calls it ends with "
                    "`form.submit is not a function`, and nobody moves"
                    if submits
                    else "oTree's own script submits the form when the time is over, and fails",
                    "give it another name and another id",
                    is_remark=not submits,
                )


def _empty_required(app: App, context: Context) -> Iterator[Finding]:
    """Find pages that a message submits although a field may still be empty."""
    for page in app.pages():
        fields = [name for name in app.form_fields(page) if _is_required(app, page, name)]
        shown = context.shown(page)
        texts = "\n".join(one.text for one in shown)
        if not fields or SETS_VALUE.search(texts) or not context.is_followed(page):
            continue
        for template in shown:
            if at := _submits_when_it_hears(template.text):
                given = [name for name in fields if _is_given(texts, name)]
                for name in (field for field in fields[:1] if field not in given):
                    yield Finding(
                        f"a message submits the form while {name} may be empty",
                        template.at(at),
                        f"{name} is required: oTree shows the page again, and the member stays",
                        "record the move in the live method, return it from is_displayed, and "
                        "reload the page (location.reload()); or declare the field blank=True",
                    )


def _is_required(app: App, page: Page, field: str) -> bool:
    """Return whether a field of the page's model has to be filled in, as it is declared."""
    call = app.declared(page.form_model, field)
    if not isinstance(call, ast.Call) or not name_of(call.func).endswith("Field"):
        return False
    optional = {"blank", "initial", "null", "default"}
    return not any(one.arg in optional or one.arg is None for one in call.keywords)


def _is_given(texts: str, field: str) -> bool:
    """Return whether a template writes the field with a value."""
    return bool(re.search(rf"<input[^>]*name=['\"]{field}['\"][^>]*value=", texts)) or bool(
        re.search(rf"<input[^>]*value=[^>]*name=['\"]{field}['\"]", texts)
    )


def _submits_when_it_hears(text: str) -> int | None:
    """Return where what hears messages submits the form, itself or by a function that it calls."""
    for bodies in _hearing(text):
        if found := next(filter(None, (SUBMITS.search(text, *body) for body in bodies)), None):
            return found.start()
    return None


def moves_when_it_hears(text: str, reloading_moves: bool) -> bool:
    """Return whether each message moves the member, whatever it contains."""
    moves = MOVES_OR_RELOADS if reloading_moves else MOVES
    return any(
        not CONDITION.search(text, *bodies[0]) and any(moves.search(text, *one) for one in bodies)
        for bodies in _hearing(text)
    )


MOVES = re.compile(rf"{SUBMITS.pattern}|location\.(?:href\s*=|assign\(|replace\()")
MOVES_OR_RELOADS = re.compile(rf"{MOVES.pattern}|location\.reload")
CONDITION = re.compile(r"\b(?:if|switch|case)\b|\?|&&|\|\|")


def _hearing(text: str) -> Iterator[list[tuple[int, int]]]:
    """Yield where each function is that hears messages, and those of the script that it calls."""
    for match in HEARS.finditer(text):
        bodies = [_body(text, match.end())]
        for name in dict.fromkeys(CALLED.findall(text, *bodies[0])):
            defined = re.search(rf"function\s+{name}\s*\(|\b{name}\s*=[^=]", text)
            bodies += [_body(text, defined.end())] if defined else []
        yield bodies


CALLED = re.compile(r"(?<![.\w])([A-Za-z_]\w*)\s*\(")

SHORT = re.compile(r"\s*(?:async\b\s*)?\(?[^;(){}]*\)?\s*=>\s*(?!\s*\{)[^;\n]*")
"""An arrow function without braces, after its name."""


def _body(text: str, start: int) -> tuple[int, int]:
    """Return where the body of the function begins and ends whose name ends at a place."""
    if short := SHORT.match(text, start):
        return short.span()
    begin = text.find("{", start)
    depth, end = 0, begin
    while 0 <= end < len(text):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
        if not depth:
            break
    return (begin, end) if begin >= 0 else (0, 0)


CHECKS: tuple[Check, ...] = (
    *(_filters_and_tags, _script_names, _blocks, _own_base),
    *(_submit_controls, _empty_required),
)
"""The checks of the templates, for every app that a session config plays."""
