"""The tests and what they share: see docs/architecture.md."""

import pytest

pytest.register_assert_rewrite("harness")  # an assertion of the harness shows its values, too

pytest_plugins = ["harness.fixtures", "harness.clause_report", "harness.cpu_report"]
