"""What veRL lacks to run where there is no GPU, or no vLLM: a platform, and a server that generates.

    platform    veRL's platform "cpu", and what else stands in the way on a processor
    rollout     the rollout backend "transformers"
    batch       its decoding: rows that come and go while others are being written

veRL loads `platform` in each of its processes (`VERL_USE_EXTERNAL_MODULES`); its own code stays as it is.
"""
