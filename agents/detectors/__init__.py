"""Measurement of the detectors: precision and recall of each trigger on labelled traces."""
