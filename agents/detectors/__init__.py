"""Precision and recall of the interveners on labelled traces."""
