#!/bin/bash
# Merge the shards of slurm_curate.sh. It fails, and names the shards, if some are not finished.
#
#SBATCH --job-name=storm-merge
#SBATCH --mem=8G
#SBATCH --time=01:00:00
#SBATCH --output=slurm-%x-%j.log
set -euo pipefail

RUN=${RUN:-runs/big}

exec storm merge "$RUN/shards" --out "$RUN/merged"
