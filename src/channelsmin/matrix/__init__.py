"""What is known: the parts of matrix/ and variants/, one module each; no network, no processes."""
