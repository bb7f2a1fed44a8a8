"""Trials of fault injection: a group, a click and a fault, and every member must arrive.

An ordinary run makes a few trials; `python3 run.py trials` makes hundreds, and records each.
"""

from harness.fixtures import OpenMember, RunTrial


def test_with_any_fault_all_members_arrive_and_nobody_else(
    open_member: OpenMember, run_trial: RunTrial
) -> None:
    run_trial(lambda session, place: open_member(session, place).ready())
