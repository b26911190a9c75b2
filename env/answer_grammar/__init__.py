"""The grammar of answers; `env/answers.py` has it in full.

`latex` and `tokens` make tokens of text, `words` has the tables of words, `statuses` reads infeasible and unbounded,
`equations` the number, one side of an equation at a time by `statement`.
"""
