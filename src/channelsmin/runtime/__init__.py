"""A release becomes a project, an environment, and a running server."""
