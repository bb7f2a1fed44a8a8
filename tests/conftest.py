"""The tests and what they share: see docs/architecture.md."""

pytest_plugins = ["harness.fixtures", "harness.clause_report", "harness.cpu_report"]
