# Processes of the cluster. Each carries a mark in its environment, which its children inherit: so `down` finds what a killed
# run left behind, by process ID and never by name, and a recycled process ID is not mistaken for ours.
# shellcheck shell=bash

mark=ECS_OPERATOR_CLUSTER_MEMBER

# start NAME CMD…: a daemon that outlives this script. Its folder is the state folder, its output log/NAME.log.
start() {
  local name=$1
  shift
  (
    cd "$state" || exit
    exec env "$mark=$state" setsid "$@" >>"log/$name.log" 2>&1 </dev/null 9>&-
  ) &
  echo $! >"$state/$name.pid"
}

# The process ID of daemon NAME; fails if it does not run.
pid_of() {
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) && is_marked "$pid" && echo "$pid"
}

is_marked() { grep -qzxF "$mark=$state" "/proc/$1/environ" 2>/dev/null; }

stop() { # NAME
  local pid
  if pid=$(pid_of "$1"); then kill -9 "$pid" 2>/dev/null || true; fi
  wait_for 10 "the end of $1" not_running "$1"
}

not_running() { ! pid_of "$1"; }

# All that is ours: marked, or inside a network namespace of ours.
our_processes() {
  local netns
  grep -lzxF "$mark=$state" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
  for netns in /run/netns/ecs-node-*; do
    [[ ! -e $netns ]] || ip netns pids "${netns##*/}" 2>/dev/null || true
  done
}

no_process_left() { [[ -z $(our_processes) ]]; }

kill_all() {
  local pid
  for pid in $(our_processes); do kill -9 "$pid" 2>/dev/null || true; done
  wait_for 20 "the end of the cluster's processes" no_process_left
}
