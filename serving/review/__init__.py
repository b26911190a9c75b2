"""Human review: people rate a sample of the interventions of a curation on a local page, independently.

    from storm_calm.serving.review.review_server import serve
    from storm_calm.serving.review.review_results import results
    from storm_calm.serving.review.read_review import read_review

    serve(Path("runs/first"), "ana", on_listening=print)      # until Ctrl-C
    results_to_json(results(read_review(Path("runs/first"))))

`storm review` is the command. The folder `review` inside the run folder holds

- `sample.json`: the interventions to review, drawn once and the same for all reviewers
- `NAME.jsonl`: the ratings of a reviewer, one line per change; the last line of an intervention counts

Modules: `review_items` (the interventions), `review_sample` (the sample), `ratings` (the answers of one reviewer on one
intervention), `reviewer` (the file of a reviewer), `read_review` (the whole review), `review_results`, `cohen_kappa`,
`export_ratings`, `review_app` and `review_server` (the page). Only the last two need the extra `serve`.
"""
