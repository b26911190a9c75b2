#!/bin/bash
# Curate in 8 shards with a Slurm job array, then merge them:
#
#     job=$(sbatch --parsable slurm_curate.sh)
#     sbatch --dependency=afterok:"$job" --kill-on-invalid-dep=yes slurm_merge.sh
#
# Submit it again to resume what is not finished, or name the shards: sbatch --array=3,5 slurm_curate.sh
#
#SBATCH --job-name=storm-curate
#SBATCH --array=1-8
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=12:00:00
#SBATCH --requeue
# SIGTERM two minutes before the time limit. storm then stops, and all finished work is kept.
#SBATCH --signal=B:TERM@120
#SBATCH --output=slurm-%x-%A_%a.log
set -euo pipefail

# Not SLURM_ARRAY_TASK_COUNT, which counts the submitted tasks: 2 with --array=3,5.
SHARDS=${SHARDS:-8}
RUN=${RUN:-runs/big}
LIMIT=${LIMIT:-1000}

# With exec the signal reaches storm.
exec storm curate --families all --limit "$LIMIT" --seed 7 --workers "${SLURM_CPUS_PER_TASK:-4}" --display plain \
    --shard "$SLURM_ARRAY_TASK_ID/$SHARDS" --out "$RUN/shards/$SLURM_ARRAY_TASK_ID" --resume
