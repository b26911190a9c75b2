"""Diagnose training: search run folders for known signatures of failure.

    from storm_calm.rl.doctor import examine

    for diagnosis in examine(Path("runs/reproduce")):
        print(diagnosis.state, diagnosis.check, diagnosis.figure)

`read_runs` reads the run folders, `signatures` lists the failures with causes and remedies, and `measurements` has
their thresholds. The command is `storm doctor`.
"""

from storm_calm.rl.doctor.diagnosis import Diagnosis, examine

__all__ = ["Diagnosis", "examine"]
