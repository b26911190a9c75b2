"""Extensions of veRL for machines without a GPU or without vLLM: a platform, and a generation server.

veRL imports `cpu_platform` in each of its processes (`VERL_USE_EXTERNAL_MODULES`); its own code is not changed.
"""
