"""What a click costs and how long it takes: `python -m benchmarks`, or `python3 run.py bench`."""
