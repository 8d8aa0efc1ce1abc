"""What counting costs, beside other tools: `python -m tests.benchmarks.counting --help`.

Run it in the root of the repository. Beside the plugin it needs the other tools:

    pip install -e '.[test]' fvcore ptflops torchinfo calflops accelerate

Every measurement has a process of its own, so that a peak of memory is that of one tool and what
one tool imports or leaves behind cannot disturb another.
"""
