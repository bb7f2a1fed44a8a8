"""Check an app's pages against their templates, their scripts and the routes."""

import ast
import re
from collections.abc import Iterator

from packaging.version import Version

from channelsmin.project.doctor.app_source import UNKNOWN, App
from channelsmin.project.doctor.context import (
    LIVE_PAGES,
    Check,
    Context,
    live_method_of,
)
from channelsmin.project.doctor.finding import Finding
from channelsmin.project.doctor.template_source import Template

ASKS_FIRST = re.compile(r"typeof\s*\(?\s*liveSend\b|window\.liveSend\b")
"""A script that looks first whether the page has liveSend: it is shared by other pages."""

EXTERNAL = re.compile(r"<script\b[^>]*\ssrc\s*=\s*['\"]?(?:https?:)?//", re.IGNORECASE)
"""A script of another server: what it does is not known."""


def _lost_templates(app: App, context: Context) -> Iterator[Finding]:
    own = {one.name for one in context.apps}
    for page in app.pages():
        if (
            app.is_plain(page)
            and context.is_imported(app, page.module)
            and page.template not in context.templates
            and UNKNOWN not in page.template
        ):
            yield Finding(
                f"the page {page.node.name} has no template {page.template}",
                app.modules[page.module].at(page.node),
                "every participant who reaches the page gets an error",
                f"write it as {app.name}/templates/{page.template}",
            )
    shown = {one.name: one for page in app.pages() for one in context.shown(page)}
    for template in shown.values():
        for name, where in template.includes():
            if name not in context.templates and name.partition("/")[0] in own:
                yield Finding(
                    f"there is no template {name}",
                    where,
                    "the page that includes it ends in an error, or lacks its script",
                    "write the name of the file, and the app's name as its folder",
                )


def _not_served(app: App, context: Context) -> Iterator[Finding]:
    """Find sockets that a page opens and no route serves."""
    for address in context.addresses(app):
        if context.api == LIVE_PAGES:
            if address.path and not context.has_other_routes:
                yield Finding(
                    "the page opens a socket of its own",
                    address.where,
                    f"oTree {context.release} serves no sockets of apps: it has live pages instead",
                    "use live_method and liveSend, as in `channelsmin export`",
                )
        elif address.missing:
            names = ", ".join(address.missing)
            yield Finding(
                f"the address of the socket needs {names}, which the page does not give it",
                address.where,
                "the page ends in an error (oTree 2), or opens the socket at an address that no "
                "route serves",
                f"return {names} from the page's vars_for_template",
            )
        elif address.path and not any(
            context.serves(route, address.path) for route in context.routes
        ):
            shown = address.path.replace(UNKNOWN, "…")
            patterns = ", ".join(f"{route.pattern} ({route.where})" for route in context.routes)
            yield Finding(
                f"no route serves the address {shown}",
                address.where,
                f"the socket never opens, or nothing answers; the routes are {patterns or 'none'}",
                "make the address and the route the same",
            )


def _unused_routes(app: App, context: Context) -> Iterator[Finding]:
    if context.api == LIVE_PAGES:
        return
    every = [address for one in context.apps for address in context.addresses(one)]
    followed = all(context.is_followed(page) for page in app.pages())
    certain = all(address.path for address in every) and app.pages() and followed
    if not certain or context.scripts_have("WebSocket"):
        return
    for route in app.routes():
        if not any(context.serves(route, address.path) for address in every if address.path):
            yield Finding(
                "no page opens a socket at this route",
                route.where,
                "the templates that the pages show have no script that asks for it, so no page "
                "ever connects",
                'include the script in the page\'s template: {% include "…/socket.html" %}',
            )


def _live_pages(app: App, context: Context) -> Iterator[Finding]:
    if context.api != LIVE_PAGES:
        return
    for page in app.pages():
        method, at = live_method_of(page.node), app.modules[page.module].at
        shown = context.shown(page)
        sends = _first(shown, "liveSend") or _first(shown, "liveSocket")
        asks_first = any(ASKS_FIRST.search(template.text) for template in shown)
        if sends and not method and not asks_first and app.is_plain(page):
            yield Finding(
                f"the page {page.node.name} sends live messages and has no live_method",
                sends,
                "oTree opens no socket on such a page: liveSend is not defined there",
                f"add a live_method to {page.node.name}",
            )
        elif (
            method
            and not sends
            and context.is_followed(page)
            and not context.scripts_have("liveSend", "liveSocket")
        ):
            yield Finding(
                f"nothing on the page {page.node.name} calls its live_method",
                at(method),
                "it is called when a script calls liveSend, and none of its templates does",
                "include the script in the page's template, or call liveSend there",
                is_remark=any(EXTERNAL.search(template.text) for template in shown),
            )
        elif method is None or (name := _written_name(method)) is None:
            continue
        elif context.release >= Version("6.0.0b10"):
            yield Finding(
                "live_method is the name of a function",
                at(method),
                "from 6.0.0b10 on it must be the function itself",
                "write the function without quotation marks, or as a @staticmethod here",
            )
        elif app.mentions(name) == 1 and app.bases("Player") == {"BasePlayer"}:
            yield Finding(
                f"live_method names {name}, and nothing in the app has that name",
                at(method),
                "oTree looks for it when a message arrives, and answers none",
                "write the name of the method of Player that answers the page's messages",
            )


def _written_name(method: ast.AST) -> str | None:
    """Return the text that a live_method is, None if it is a function or an expression."""
    value = method.value if isinstance(method, ast.Assign) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _written_hosts(app: App, context: Context) -> Iterator[Finding]:
    """Find sockets whose scheme or host is written out: on another server they do not open."""
    for address in context.addresses(app):
        if address.host in LOCAL:
            yield Finding(
                f"the socket's host is written out: {address.host}",
                address.where,
                "on any other computer the browser asks that computer itself, and nothing answers",
                "begin the address with location.origin.replace('http', 'ws')",
            )
        elif address.host and UNKNOWN not in address.host and "." in address.host:
            yield Finding(
                f"the socket's host is written out: {address.host}",
                address.where,
                "the page of a copy of the project, on another host or your own computer, asks "
                "that host",
                "begin the address with location.origin.replace('http', 'ws')",
                is_remark=True,
            )
        elif address.scheme == "ws" and not address.host.strip(UNKNOWN):
            yield Finding(
                "the socket's scheme is written out: ws://",
                address.where,
                "on a page that is served over https the browser refuses the socket (mixed "
                "content)",
                "begin the address with location.origin.replace('http', 'ws')",
            )


LOCAL = {"localhost", "127.0.0.1", "0.0.0.0"}


def _first(shown: list[Template], word: str) -> str | None:
    return next(filter(None, (template.first(word) for template in shown)), None)


STAGES: tuple[tuple[Check, ...], ...] = (
    (_lost_templates,),
    (_not_served, _live_pages, _written_hosts),
    (_unused_routes,),
)
"""The checks in order: a fault that one stage finds makes the next stages meaningless."""
