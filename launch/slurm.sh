#!/usr/bin/env bash
# Runs one training on several nodes of a Slurm cluster, with one process per GPU; jax reads the number and
# index of the processes from Slurm. Never run on a cluster: --dry-run and the syntax are tested.
#
#   launch/slurm.sh [--dry-run] NODES GPUS_PER_NODE COMMAND...
#   SBATCH_PARTITION=gpu SBATCH_TIMELIMIT=24:00:00 launch/slurm.sh 4 8 python -m experiments.train --recipe=... --workdir=/shared/run
#
# Adds --distributed to COMMAND. Two minutes before the time limit, and on preemption, Slurm sends SIGTERM:
# the run writes a checkpoint and ends with status 75, and the job requeues itself. After status 2 (a
# mistake) it does not. Set other options of the job by sbatch's environment variables (SBATCH_PARTITION,
# SBATCH_ACCOUNT, ...). --workdir must be on a shared file system if the job may restart on other nodes.
set -uo pipefail

again=75

if [[ ${1-} == --inside ]]; then # sbatch runs this script with --inside as the job
  shift
  srun --kill-on-bad-exit=1 "$@" --distributed
  status=$?
  if ((status == again)); then
    scontrol requeue "$SLURM_JOB_ID"
  fi
  exit "$status"
fi

dry=''
if [[ ${1-} == --dry-run ]]; then
  dry=yes
  shift
fi
if [[ ! ${1-} =~ ^[1-9][0-9]*$ || ! ${2-} =~ ^[1-9][0-9]*$ || $# -lt 3 ]]; then
  echo "usage: launch/slurm.sh [--dry-run] NODES GPUS_PER_NODE COMMAND..." >&2
  exit 2
fi
nodes=$1 gpus=$2
shift 2

submit=(sbatch --nodes="$nodes" --ntasks-per-node="$gpus" --gpus-per-node="$gpus" --requeue --signal=TERM@120
  --open-mode=append --job-name=cnnlab "$0" --inside "$@")
if [[ -n $dry ]]; then
  printf '%q ' "${submit[@]}"
  echo
  printf '%q ' srun --kill-on-bad-exit=1 "$@" --distributed
  echo
else
  "${submit[@]}"
fi
