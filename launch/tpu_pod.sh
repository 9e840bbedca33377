#!/usr/bin/env bash
# Runs one training on a Cloud TPU slice, with one process per host; jax reads the number and index of the
# processes from the TPU's metadata. Never run on a TPU: --dry-run and the syntax are tested, against the
# reference of `gcloud compute tpus queued-resources create` and `gcloud compute tpus tpu-vm ssh` in Google
# Cloud's documentation.
#
#   launch/tpu_pod.sh [--dry-run] create NAME ZONE TYPE RUNTIME [--spot]     # queues for a slice, such as v4-64 tpu-ubuntu2204-base
#   launch/tpu_pod.sh [--dry-run] setup NAME ZONE GIT_URL                    # installs the code and its environment on every host
#   launch/tpu_pod.sh [--dry-run] run NAME ZONE COMMAND...                   # adds --distributed to COMMAND
#   launch/tpu_pod.sh [--dry-run] delete NAME ZONE
#
# Give `run` again to resume a run. After a preemption, create and set up another slice first; use a
# --workdir that outlives the slice, or --checkpoint_dir=gs://BUCKET/run for the checkpoints.
set -uo pipefail

usage() {
  sed -n 's/^#   //p' "$0" >&2
  exit 2
}

dry=''
if [[ ${1-} == --dry-run ]]; then
  dry=yes
  shift
fi
[[ $# -ge 3 ]] || usage
what=$1 name=$2 zone=$3
shift 3

do_it() {
  if [[ -n $dry ]]; then
    printf '%q ' "$@"
    echo
  else
    "$@"
  fi
}

everywhere() { # runs a command, given as words, on every host of the slice
  local line
  line=$(printf '%q ' "$@")
  line=${line% }
  do_it gcloud compute tpus tpu-vm ssh "$name" --zone="$zone" --worker=all --command="$line"
}

case $what in
  create)
    [[ $# -eq 2 || ($# -eq 3 && $3 == --spot) ]] || usage
    do_it gcloud compute tpus queued-resources create "$name" --node-id="$name" --zone="$zone" --accelerator-type="$1" \
      --runtime-version="$2" "${@:3}"
    ;;
  setup)
    [[ $# -eq 1 ]] || usage
    everywhere git clone "$1" cnnlab &&
      everywhere python3 -m venv cnnlab/.venv &&
      everywhere cnnlab/.venv/bin/python -m pip install --quiet --constraint cnnlab/constraints.txt --editable './cnnlab[gcs]' 'jax[tpu]'
    ;;
  run)
    [[ $# -ge 1 ]] || usage
    everywhere env -C cnnlab "$@" --distributed
    ;;
  delete)
    [[ $# -eq 0 ]] || usage
    do_it gcloud compute tpus queued-resources delete "$name" --zone="$zone" --force
    ;;
  *) usage ;;
esac
