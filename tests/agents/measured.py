"""What differs from run to run because a clock or a scheduler decides it, and data without it."""

MEASURED = {
    *("at_seconds", "seconds", "wall_seconds", "cpu_seconds", "generation_seconds", "execution_seconds"),
    "peak_memory_mb",
}


def without_measurements(data):
    """JSON data with everything that is measured set to 0."""
    if isinstance(data, dict):
        return {key: 0 if key in MEASURED else without_measurements(value) for key, value in data.items()}
    return [without_measurements(value) for value in data] if isinstance(data, list) else data
