"""How the nano model is made: traces played through the environment, a tokenizer, pretraining, export.

    python -m storm_calm.rl.nano --out DIR

makes it from nothing; `models/nano/base` holds the result and the card that tells what it is.
"""
