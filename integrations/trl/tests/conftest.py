"""Settings of the libraries, before they are imported: no requests to the model hub."""

import os

os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1")
