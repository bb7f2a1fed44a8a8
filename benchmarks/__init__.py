"""Measure the latency and cost of a click: `python -m benchmarks`, or `python3 run.py bench`."""
