"""Merge the run folders of all shards of a curation or an evaluation into the run folder of a run without shards."""
