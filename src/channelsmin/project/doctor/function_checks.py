"""Check the functions of an app of one file that this release calls: creating_session and such."""

import ast
from collections.abc import Iterator, Mapping

from channelsmin.matrix import api_changes
from channelsmin.matrix.api_changes import AppFunction
from channelsmin.project.doctor.app_source import (
    FUNCTIONS,
    App,
    Function,
    Module,
    assigned,
    name_of,
)
from channelsmin.project.doctor.code_checks import fits
from channelsmin.project.doctor.context import LIVE_PAGES, Check, Context
from channelsmin.project.doctor.finding import Finding

NUMBERS = {"IntegerField", "FloatField", "CurrencyField"}
"""The fields of which each release asks the least and the greatest value."""


def _functions(app: App, context: Context) -> Iterator[Finding]:
    """Find functions that oTree calls with more or fewer arguments than they accept."""
    if context.api != LIVE_PAGES or not context.is_without_self(app) or "" not in app.modules:
        return
    if "models" in app.modules:  # 5.0.0a27 then calls the methods of its classes
        return
    own = _own(app.modules[""])
    for called in _called(app, context, own):
        function = own.get(called.name)
        if function is None or function.decorator_list:
            continue
        arguments = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        if not fits(function, len(arguments), len(called.parameters)):
            wanted = ", ".join(called.parameters)
            yield Finding(
                f"{called.name}({', '.join(arguments)}) does not accept what oTree "
                f"{context.release} calls it with",
                app.modules[""].at(function),
                f"oTree calls it with ({wanted}): {called.otherwise}",
                f"write def {called.name}({wanted})",
            )


def _own(module: Module) -> dict[str, Function]:
    """Return the functions that a module defines, whatever happens, and nothing else replaces."""
    names = [name_of(one) for one in module.of(ast.Name) if _is_stored(one)]
    names += [getattr(one, "name", "") for one in module.of(*FUNCTIONS)]
    names += [one.asname or one.name for one in module.of(ast.alias) if isinstance(one, ast.alias)]
    top = (line for line in module.tree.body if isinstance(line, Function))
    return {one.name: one for one in top if names.count(one.name) == 1}


def _is_stored(name: ast.AST) -> bool:
    return isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)


def _called(app: App, context: Context, own: Mapping[str, Function]) -> Iterator[AppFunction]:
    """Yield the functions that oTree calls in this app, if it has them."""
    for one in api_changes.app_functions(context.release):
        if one.is_of_field:
            yield from _of_fields(app, one, own)
        elif _is_used(one.name, app, context):
            yield one


def _is_used(name: str, app: App, context: Context) -> bool:
    if name == "group_by_arrival_time_method":
        switches = [assigned(page.node, "group_by_arrival_time") for page in app.all_pages()]
        return any(isinstance(one, ast.Constant) and one.value is True for one in switches)
    if name == "vars_for_admin_report":
        return f"{app.name}/admin_report.html" in context.templates
    return True


def _of_fields(app: App, called: AppFunction, own: Mapping[str, Function]) -> Iterator[AppFunction]:
    """Yield the function for each field that a page asks for."""
    asked = {(page.form_model, field) for page in app.pages() for field in app.form_fields(page)}
    for model, field in sorted(asked):
        declared = app.declared(model, field)
        if not isinstance(declared, ast.Call):
            continue
        bounded = _is_number(declared) and f"{field}_choices" not in own
        if bounded or not called.name.endswith(("_min", "_max")):
            yield called.of_field(field, model)


def _is_number(declared: ast.Call) -> bool:
    given = {one.arg for one in declared.keywords}
    return name_of(declared.func) in NUMBERS and not given & {"choices", None}


CHECKS: tuple[Check, ...] = (_functions,)
"""The checks of an app's functions, for every app that a session config plays."""
