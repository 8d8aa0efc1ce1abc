"""Proposals: baselines that machines without a working copy would write, to be accepted."""
