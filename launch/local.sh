#!/usr/bin/env bash
# Starts one run as N processes on this machine, which communicate over loopback. Tested by tests/launch.
#
#   launch/local.sh [--dry-run] [--devices=D] [--port=P] N COMMAND...
#   launch/local.sh --devices=2 2 python -m experiments.train --recipe=digits --workdir=runs/two
#
# --devices is the number of CPU devices of each process. SIGTERM and SIGINT go to all processes. The exit
# status is that of the first process that fails, or 0. After a failure the other processes end by
# themselves, at the latest when they miss its heartbeat (HEARTBEAT in cnnlab/train/distributed/hosts.py).
set -uo pipefail

usage() {
  echo "usage: launch/local.sh [--dry-run] [--devices=D] [--port=P] N COMMAND..." >&2
  exit 2
}

dry='' devices='' port=$((20000 + RANDOM % 20000))
while [[ ${1-} == --* ]]; do
  case $1 in
    --dry-run) dry=yes ;;
    --devices=*) devices=${1#*=} ;;
    --port=*) port=${1#*=} ;;
    *) usage ;;
  esac
  shift
done
[[ ${1-} =~ ^[1-9][0-9]*$ && $# -ge 2 ]] || usage
count=$1
shift

settings=("JAX_COORDINATOR_ADDRESS=127.0.0.1:$port" "JAX_COORDINATOR_BIND_ADDRESS=127.0.0.1:$port" "JAX_NUM_PROCESSES=$count")
[[ -z $devices ]] || settings+=("JAX_PLATFORMS=cpu" "JAX_NUM_CPU_DEVICES=$devices")

processes=()
for ((i = 0; i < count; i++)); do
  command=(env "${settings[@]}" "JAX_PROCESS_ID=$i" "$@")
  if [[ -n $dry ]]; then
    printf '%q ' "${command[@]}"
    echo
  else
    "${command[@]}" &
    processes+=($!)
  fi
done
[[ -z $dry ]] || exit 0

trap 'kill -TERM "${processes[@]}" 2>/dev/null' TERM INT
status=0
while [[ ${#processes[@]} -gt 0 ]]; do
  wait -n -p ended "${processes[@]}"
  code=$?
  [[ -n ${ended-} ]] || continue # wait was interrupted by a signal; no process ended
  ((status != 0)) || status=$code
  left=()
  for process in "${processes[@]}"; do
    [[ $process == "$ended" ]] || left+=("$process")
  done
  processes=("${left[@]}")
  unset ended
done
exit "$status"
