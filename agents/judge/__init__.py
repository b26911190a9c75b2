"""The judge of explanations: the published evaluation of OR-Space Explain (arXiv 2605.28158), for `storm eval`.

    from storm_calm.agents.judge.config import JudgeConfig
    from storm_calm.agents.judge.run_judge import judge

    results = judge(JudgeConfig(rubric="OR-Space", url="http://localhost:8000/v1"), Path("runs/explain"))
    results.points["score"].mean

Each explanation gets five scores, 100 points together. Code finds the required entities in it (`entity_match`). A
language model decides about the other criteria and gives the remaining points (`ask_judge`). It gets the published
prompt and the files of the problem. Code again computes the score (`explain_score`).

Rubrics and prompt are read from the folder of a user; nothing of them is in this package. The run folder gets

- `judgments.jsonl`: the judgments, one line for each sample and judge
- `judged.json`: the results of the last judge, computed from them
"""
