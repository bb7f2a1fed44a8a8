"""The tooling around the variants: which releases there are, what serves them, how it is run."""
