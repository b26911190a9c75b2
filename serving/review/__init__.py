"""Human review: people judge a sample of a curation's interventions on a local page, blind to each other.

    from storm_calm.serving.review.server import serve
    from storm_calm.serving.review.results import results
    from storm_calm.serving.review.read_review import read_review

    serve(Path("runs/first"), "ana", listening=print)      # until Ctrl-C
    results_to_json(results(read_review(Path("runs/first"))))

`storm review` is this on the command line. The folder `review` inside the curation's holds

- `sample.json`: which interventions are judged, drawn once and the same for all reviewers
- `NAME.jsonl`: what a reviewer said, a line for each change; the last one of an intervention counts

Its modules: `items` (what is judged), `sample` (the drawing), `judgements` (one reviewer's word on one intervention),
`reviewer` (a reviewer's file), `stored` (all of it, read), `results`, `kappa` and `export` (what came of it), `app` and
`server` (the page). Only the last two need the extra `serve`.
"""
