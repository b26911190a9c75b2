"""The common part of long runs over many problems: options, run folder, worker pool, resuming and progress."""
