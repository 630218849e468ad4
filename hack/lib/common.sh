# What every script here shares: where things are, how progress is told, how waiting ends. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Outside the checkout, so that a fresh clone does not build Kubernetes again.
cache=${ECS_OPERATOR_CACHE:-$HOME/.cache/ecs-operator}
# Short, because a Unix socket's path may not be longer than 108 bytes.
state=${ECS_OPERATOR_CLUSTER:-/var/lib/ecs-operator-cluster}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
# The first script sets it and those that it calls inherit it: all count from the same start.
export ECS_OPERATOR_STARTED=${ECS_OPERATOR_STARTED:-$EPOCHSECONDS}
mkdir -p "$cache"

say() { printf '[%4ds] %s\n' $((EPOCHSECONDS - ECS_OPERATOR_STARTED)) "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# wait_for SECONDS WHAT CMD…: until CMD succeeds; a line every 5 s, an error after SECONDS.
wait_for() {
  local limit=$1 what=$2 begin=$EPOCHSECONDS told=0 waited
  shift 2
  until "$@" >/dev/null 2>&1; do
    waited=$((EPOCHSECONDS - begin))
    if ((waited >= limit)); then
      say "gave up waiting for $what after $waited s: $*"
      return 1
    fi
    if ((waited >= told + 5)); then
      told=$waited
      say "waiting for $what ($waited of at most $limit s)"
    fi
    sleep 0.1
  done
}

# quietly WHAT CMD…: for long steps with long output: a line every 20 s, and the end of the output if CMD fails.
quietly() {
  local what=$1 log ticker begin=$EPOCHSECONDS rc=0
  shift
  log=$(mktemp)
  say "$what"
  # The ticker ends with this script, and its last sleep holds neither the terminal nor the lock.
  (while sleep 20 >/dev/null 2>&1 9>&- && kill -0 $$; do say "$what: $((EPOCHSECONDS - begin)) s so far"; done) &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || rc=$?
  kill "$ticker"
  wait "$ticker" 2>/dev/null || true
  ((rc == 0)) || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$rc"
}

# The chart with the images that hack/images made, or what is installed brought to them.
install_chart() {
  local again=
  ! helm status ecs-operator --namespace ecs-operator >/dev/null 2>&1 || again=yes
  quietly "installing the chart" helm upgrade --install ecs-operator charts/ecs-operator \
    --namespace ecs-operator --create-namespace --wait --timeout 3m \
    --set image.repository=ecs-operator --set image.tag=dev --set image.pullPolicy=Never
  # The image's name is the same after a change of the code.
  [[ -z $again ]] || quietly "restarting on the new image" restart_installed
}

restart_installed() {
  local namespace workload
  for namespace in ecs-operator ecs-operator-agents; do
    for workload in $(kubectl -n "$namespace" get deployments,daemonsets -o name); do
      kubectl -n "$namespace" rollout restart "$workload"
      kubectl -n "$namespace" rollout status "$workload" --timeout=2m
    done
  done
}

# each_in_parallel CMD ITEM…: CMD ITEM for all at once; fails if one fails.
each_in_parallel() {
  local command=$1 pids=() pid rc=0 item
  shift
  for item; do
    "$command" "$item" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || rc=1; done
  return "$rc"
}
