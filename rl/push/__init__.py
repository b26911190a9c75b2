"""Push a run to a data set on the Hugging Face Hub. The command is `storm push`.

    from storm_calm.rl.push import plan_push, push

    plan = plan_push(Path("runs/first"), "owner/name", private=True)
    push(plan)                                   # the only call that uploads

- `upload_files`: the files of a run that may be uploaded, and a search for secrets in them
- `dataset_card`: the README.md of the data set
- `push_run`: the requests to the hub

Nothing else in this project uploads anything.
"""

from storm_calm.rl.push.push_run import PushPlan, plan_push, push

__all__ = ["PushPlan", "plan_push", "push"]
