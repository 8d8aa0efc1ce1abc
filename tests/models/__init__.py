"""Models whose parameters and FLOPs are known: published, or derived by hand."""
