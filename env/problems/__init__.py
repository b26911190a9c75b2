"""Sources of problems: generated families, stress sets, and public benchmarks."""
