# A node: one set of namespaces (network, mount, PID, UTS, IPC) whose PID 1 starts kubelet, kube-proxy, containerd and dockerd.
# "Power off" kills PID 1 and takes the network away: the kernel ends the rest, and nothing answers at the node's address.
# shellcheck shell=bash

nodes() { (cd "$state" 2>/dev/null && printf '%s\n' node-[1-9] | grep -v '\*') || true; }

# The process ID of the node's PID 1, seen from here; fails if the node is off.
init_pid() {
  local outer
  outer=$(pid_of "$1") && pgrep -P "$outer" | head -n 1 | grep .
}

inside() { # NODE CMD…
  local pid
  pid=$(init_pid "$1") || die "$1 is off"
  shift
  nsenter --target "$pid" --mount --uts --ipc --net --pid "$@"
}

node() { # NODE VERB
  local node=${1:-} verb=${2:-}
  need_up
  [[ -d $state/${node:-none} ]] || die "no node '$node'; there are: $(nodes | xargs)"
  case $verb in
    on) power_on "$node" ;;
    off) power_off "$node" ;;
    cut) ip link set "ecs-$node" down ;;
    heal) ip link set "ecs-$node" up ;;
    engine-kill) engine_signal "$node" KILL && wait_for 10 "the end of $node's engine" engine_is_gone "$node" ;;
    engine-start) engine_start "$node" ;;
    engine-freeze) engine_signal "$node" STOP ;;
    engine-thaw) engine_signal "$node" CONT ;;
    engine-terminate) engine_signal "$node" TERM && wait_for 40 "the end of $node's engine" engine_is_gone "$node" ;;
    *) usage ;;
  esac
  say "$node: $verb done"
}

power_on() { # returns as soon as the node boots; whoever needs it Ready waits for that
  local node=$1
  init_pid "$node" >/dev/null && say "$node is on already" && return
  network_up "$node"
  rm -rf "${state:?}/$node/run"
  mkdir -p "$state/$node/run"
  cat /proc/sys/kernel/random/uuid >"$state/$node/boot-id"
  start "$node" nsenter --net="/run/netns/ecs-$node" \
    unshare --mount --uts --ipc --pid --fork --kill-child bash "$node/init"
}

power_off() {
  local node=$1 pid
  if pid=$(init_pid "$node"); then kill -9 "$pid"; fi
  # The outer process ends after the last process of the node: the kernel clears a PID namespace first.
  wait_for 20 "the end of $node" not_running "$node"
  network_down "$node"
  remove_cgroups "ecs-$node"
}

network_up() {
  local node=$1 index=${1#node-} other
  network_down "$node"
  ip netns add "ecs-$node"
  ip link add "ecs-$node" type veth peer name eth0 netns "ecs-$node"
  ip link set "ecs-$node" master ecs0 up
  ip -n "ecs-$node" addr add "$net.1$index/24" dev eth0
  ip -n "ecs-$node" link set eth0 up
  ip -n "ecs-$node" link set lo up
  ip -n "ecs-$node" route add default via "$net.1"
  ip route replace "10.244.$index.0/24" via "$net.1$index"
  for other in $(nodes); do
    [[ $other == "$node" ]] || ip -n "ecs-$node" route add "10.244.${other#node-}.0/24" via "$net.1${other#node-}"
  done
}

network_down() {
  ip link del "ecs-$1" 2>/dev/null || true
  [[ ! -e /run/netns/ecs-$1 ]] || ip netns del "ecs-$1"
}

# remove_cgroups PATTERN: in each hierarchy, or in the only one. Inner ones first; those in use stay, without complaint.
remove_cgroups() {
  local group
  # shellcheck disable=SC2231
  for group in /sys/fs/cgroup/$1 /sys/fs/cgroup/*/$1; do
    [[ ! -d $group ]] || find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

# dockerd writes its process ID as the node's own PID namespace shows it.
engine_signal() { # NODE SIGNAL
  # shellcheck disable=SC2016
  inside "$1" bash -c 'kill -"$0" "$(cat /run/docker.pid)"' "$2"
}

engine_is_gone() {
  # shellcheck disable=SC2016
  inside "$1" bash -c '! kill -0 "$(cat /run/docker.pid)"'
}

# The shell that starts it ends at once, so that dockerd becomes a child of the node's PID 1.
engine_start() {
  engine_answers "$1" && say "$1's engine runs already" && return
  # shellcheck disable=SC2016
  inside "$1" env "$mark=$state" bash -c 'cd "$0" && setsid bash engine >>log/dockerd.log 2>&1 </dev/null 9>&- &' "$state/$1" \
    >/dev/null 2>&1 </dev/null
  wait_for 60 "$1's engine" engine_answers "$1"
}

engine_answers() { curl -sf -m 2 --unix-socket "$state/$1/run/docker.sock" http://engine/_ping >/dev/null; }
