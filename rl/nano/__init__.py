"""Make the nano model from scratch: traces, tokenizer, pretraining and export.

The command is `python -m storm_calm.rl.nano --out DIR`. `models/nano/base` has the result and its model card.
"""
