"""Run a curation or an evaluation on the nodes of a Ray cluster, instead of a worker pool on one machine.

    on_ray = RayPool(address="auto")
    curate(config, out, pool=on_ray)

A Ray Data plan reads the jobs of the run, solves them in actors with a sandbox and a reasoner of their own, and writes
the results as row files, see `plan`. The driver moves each finished row into the run folder, as the worker pool of one
machine does with its results. So all other code is the same, and so are the records.

`rows` and `jobs` need no Ray: a run that was interrupted on Ray can be finished on one machine.
"""
