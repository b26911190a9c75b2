"""What went wrong in a training: known signatures of failure, looked for in what the runs left behind.

    from storm_calm.rl.doctor import examine

    for diagnosis in examine(Path("runs/reproduce")):
        print(diagnosis.state, diagnosis.check, diagnosis.figure)

- `read_runs`: curations, evaluations and GRPO runs, found by their files and read
- `signatures`: what is looked for, the likely cause, and what to try
- `measurements`: how it is looked for, and from which figure on it counts
- `diagnosis`: the results

`storm doctor` is this on the command line.
"""

from storm_calm.rl.doctor.diagnosis import Diagnosis, examine

__all__ = ["Diagnosis", "examine"]
