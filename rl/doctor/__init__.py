"""What went wrong in a training: known signatures of failure, looked for in what the runs left behind.

    from storm_calm.rl.doctor import examine

    for verdict in examine(Path("runs/reproduce")):
        print(verdict.state, verdict.check, verdict.figure)

- `runs`: curations, evaluations and GRPO runs, found by their files and read
- `signatures`: what is looked for, the likely cause, and what to try
- `measures`: how it is looked for, and from which figure on it counts
- `diagnosis`: the verdicts

`storm doctor` is this on the command line.
"""

from storm_calm.rl.doctor.diagnosis import Verdict, examine

__all__ = ["Verdict", "examine"]
