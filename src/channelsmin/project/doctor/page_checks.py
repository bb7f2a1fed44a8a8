"""What can be wrong between an app's pages, their scripts and what serves these."""

import ast
import re
from collections.abc import Iterator

from packaging.version import Version

from channelsmin.project.doctor import template_source
from channelsmin.project.doctor.app_source import UNKNOWN, App, Page, Route, text_of
from channelsmin.project.doctor.context import CHANNELS_1, LIVE_PAGES, Case, Check, live_method_of
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Address, AppContext, Template

SAMPLES = ("1", "abc", "a1,2", "a/b")
"""What may stand in an address where it isn't known before it runs."""


def _lost_templates(app: App, case: Case) -> Iterator[Finding]:
    own = {its.name for its in case.apps}
    for page in app.pages():
        if page.is_plain and page.template not in case.templates and UNKNOWN not in page.template:
            yield Finding(
                f"the page {page.node.name} has no template {page.template}",
                app.modules[page.module].at(page.node),
                "whoever comes to the page gets an error",
                f"write it as {app.name}/templates/{page.template}",
            )
    shown = {its.name: its for page in app.pages() for its in case.shown(page)}
    for template in shown.values():
        for name, where in template.includes():
            if name not in case.templates and name.partition("/")[0] in own:
                yield Finding(
                    f"there is no template {name}",
                    where,
                    "the page that includes it ends in an error, or goes without its script",
                    "write the name as the file has it, and the folder as the app is called",
                )


def _addresses(app: App, case: Case) -> list[Address]:
    found = (
        address
        for page in app.pages()
        for address in template_source.addresses(case.shown(page), _context(app, page, case))
    )
    return list({address.where: address for address in found}.values())


def _context(app: App, page: Page, case: Case) -> AppContext:
    """Return what a page gives its template, None where that can't be told."""
    texts = "".join(template.text for template in case.shown(page))
    if not page.is_plain or re.search(r"\{%\s*(with|for)\b", texts):
        return None
    method = page.method("vars_for_template")
    context: dict[str, str] = {}
    for node in ast.walk(method) if method else ():
        if not isinstance(node, ast.Return):
            continue
        names = app.constants(page.module)
        match node.value:
            case ast.Dict(keys=keys, values=values) if None not in keys:
                pairs = zip(keys, values, strict=True)
                context |= {text_of(k, names): text_of(v, names) for k, v in pairs if k}
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=given) if all(
                its.arg for its in given
            ):
                context |= {its.arg or "": text_of(its.value, names) for its in given}
            case _:
                return None
    return context


def _not_served(app: App, case: Case) -> Iterator[Finding]:
    """Find sockets that a page opens and no route serves."""
    for address in _addresses(app, case):
        if case.api == LIVE_PAGES:
            if address.path and not case.has_other_routes:
                yield Finding(
                    "the page opens a socket of its own",
                    address.where,
                    f"oTree {case.release} serves no app's sockets: it has live pages instead",
                    "take live_method and liveSend, as in `channelsmin export`",
                )
        elif address.missing:
            names = ", ".join(address.missing)
            yield Finding(
                f"the address of the socket needs {names}, which the page does not give it",
                address.where,
                "the page ends in an error (oTree 2), or asks for the socket at an address that no "
                "route serves",
                f"return {names} from the page's vars_for_template",
            )
        elif address.path and not any(_serves(its, address.path, case) for its in case.routes):
            shown = address.path.replace(UNKNOWN, "…")
            patterns = ", ".join(f"{its.pattern} ({its.where})" for its in case.routes)
            yield Finding(
                f"no route serves the address {shown}",
                address.where,
                f"the socket never opens, or nobody answers; there is {patterns or 'no route'}",
                "make the two the same",
            )


def _serves(route: Route, path: str, case: Case) -> bool:
    """Say whether a route may serve a path."""
    paths = (path.replace(UNKNOWN, sample) for sample in SAMPLES)
    if UNKNOWN in route.pattern:
        return True
    try:
        if case.api == CHANNELS_1:
            return any(re.match(route.pattern, its) for its in paths)
        return any(re.search(route.pattern, its.lstrip("/")) for its in paths)
    except re.error:
        return False


def _unused_routes(app: App, case: Case) -> Iterator[Finding]:
    every = [address for its in case.apps for address in _addresses(its, case)]
    certain = all(address.path for address in every) and app.pages()
    if not certain or case.scripts_have("WebSocket"):
        return
    for route in app.routes():
        if not any(_serves(route, address.path, case) for address in every if address.path):
            yield Finding(
                "no page opens a socket at this route",
                route.where,
                "the templates that the pages show have no script that asks for it, so no page "
                "ever connects",
                'include the script in the page\'s template: {% include "…/socket.html" %}',
            )


def _live_pages(app: App, case: Case) -> Iterator[Finding]:
    if case.api != LIVE_PAGES:
        return
    for page in app.pages():
        method, at = live_method_of(page), app.modules[page.module].at
        sends = _first(case.shown(page), "liveSend") or _first(case.shown(page), "liveSocket")
        if sends and not method and page.is_plain:
            yield Finding(
                f"the page {page.node.name} sends live messages and has no live_method",
                sends,
                "oTree opens no socket on such a page: liveSend is not defined there",
                f"give {page.node.name} a live_method",
            )
        elif method and not sends and not case.scripts_have("liveSend"):
            yield Finding(
                f"nothing on the page {page.node.name} calls its live_method",
                at(method),
                "it is called when a script says liveSend, and none of its templates does",
                "include the script in the page's template, or call liveSend there",
            )
        elif (
            isinstance(method, ast.Assign)
            and isinstance(method.value, ast.Constant)
            and case.release >= Version("6.0.0b10")
        ):
            yield Finding(
                "live_method is the name of a function",
                at(method),
                "from 6.0.0b10 on it must be the function itself",
                "write the function without quotation marks, or as a @staticmethod here",
            )


def _first(shown: list[Template], word: str) -> str | None:
    return next(filter(None, (template.first(word) for template in shown)), None)


STAGES: tuple[tuple[Check, ...], ...] = (
    (_lost_templates,),
    (_not_served, _live_pages),
    (_unused_routes,),
)
"""The checks, in the order in which the faults of one make those of the next meaningless."""
