"""Human review: people grade a sample of a curation's interventions on a local page, blind to each other.

    from storm_calm.serving.review.review_server import serve
    from storm_calm.serving.review.review_results import results
    from storm_calm.serving.review.read_review import read_review

    serve(Path("runs/first"), "ana", on_listening=print)      # until Ctrl-C
    results_to_json(results(read_review(Path("runs/first"))))

`storm review` is this on the command line. The folder `review` inside the curation's holds

- `sample.json`: which interventions are reviewed, drawn once and the same for all reviewers
- `NAME.jsonl`: a reviewer's ratings, a line for each change; the last one of an intervention counts

Its modules: `review_items` (the interventions), `review_sample` (the drawing), `ratings` (one reviewer's answers on one
intervention), `reviewer` (a reviewer's file), `read_review` (all of it, read), `review_results`, `cohen_kappa` and
`export_ratings`, `review_app` and `review_server` (the page). Only the last two need the extra `serve`.
"""
