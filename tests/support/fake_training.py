"""A replacement for `train_sft.py` and `train_verl.py`, which take minutes: its trained model is the base model.

A file in its folder sets its behaviour: "fail"; "stop": send Ctrl-C, or the signal named in the file, to the waiting
process, and sleep; "nothing".
"""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

here = Path(sys.argv[0]).resolve().parent
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n")
out = Path(sys.argv[sys.argv.index("--out") + 1])
sys.stdout.write("22 golden runs\n")
if (here / "fail").exists():
    sys.stderr.write("Loading weights: 100%|#####| 46/46 [00:00<00:00, 2027.15it/s]\n")
    sys.exit("train: training ended early; the learning rate is a pear")
if (here / "stop").exists():
    os.kill(os.getppid(), signal.Signals[(here / "stop").read_text() or "SIGINT"])
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (here / "interrupted").touch()
        sys.exit("train: stopped")
if not (here / "nothing").exists():
    shutil.copytree((here / "base").resolve(), out / "nano", dirs_exist_ok=True)
