"""The tooling around the variants: which releases there are, what serves them, and how to run it."""
