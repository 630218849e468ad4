# Up, down, and what is there.
# shellcheck shell=bash

daemons=(etcd apiserver controller-manager scheduler coredns)
# Folders whose paths the programs have fixed: each node mounts its own there, so that they stay empty outside.
mount_points=(/etc/docker /var/lib/kubelet)

up() { # [N]
  local count=${1:-} problem node
  [[ -z $count || $count == [1-9] ]] || usage
  prerequisites
  need_root
  build
  lock
  if [[ -e $state/complete ]]; then
    problem=$(problems)
    if [[ -z $problem ]]; then
      [[ -z $count || $count == "$(nodes | wc -l)" ]] ||
        die "a cluster of $(nodes | wc -l) nodes is up; 'cluster down' comes first"
      say "already up: $(nodes | xargs)"
      return
    fi
    say "a cluster is there, but $(head -n 1 <<<"$problem"): starting anew"
    remove
  elif [[ -e $state ]] || ! no_process_left || [[ -e /sys/class/net/ecs0 ]]; then
    say "removing what an interrupted run left behind"
    remove
  fi
  mkdir -p "$state"/{pki,log,preload} "${mount_points[@]}"
  cd "$state" || exit
  control_plane
  say "control plane ready"
  for ((node = 1; node <= ${count:-3}; node++)); do make_node "node-$node"; done
  for node in $(nodes); do power_on "$node"; done
  for node in $(nodes); do
    wait_for 120 "$node" node_is_ready "$node"
    wait_for 60 "$node's engine" engine_answers "$node"
    say "$node Ready"
  done
  touch "$state/complete"
}

down() {
  need_root
  lock
  if [[ ! -e $state && ! -e /sys/class/net/ecs0 ]] && no_process_left; then
    say "nothing is up"
    return
  fi
  remove
  say "down"
}

# Everything, in any half-made state; each step works when there is nothing for it to do.
remove() {
  local netns mount
  cd /
  kill_all
  for netns in /run/netns/ecs-node-*; do
    [[ ! -e $netns ]] || network_down "${netns##*/ecs-}"
  done
  bridge_down
  remove_cgroups 'ecs-node-*'
  # Node mounts live in the nodes' own mount namespaces and are gone with them; this is for hand-made ones.
  findmnt -rno TARGET | awk -v state="$state/" 'index($0, state) == 1' | sort -r | while read -r mount; do umount -l "$mount"; done
  rm -rf "${state:?}"
  rmdir "${mount_points[@]}" 2>/dev/null || true # unless this machine has something of its own in them
}

node_is_ready() {
  [[ $(kubectl get node "$1" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' --request-timeout=5s) == True ]]
}

# One line for each thing that is not as it should be; nothing when all is well.
problems() {
  local name node ready
  for name in "${daemons[@]}"; do
    pid_of "$name" >/dev/null || echo "$name does not run"
  done
  ready=$(ready_nodes) || echo "the API server does not answer"
  for node in $(nodes); do
    if ! init_pid "$node" >/dev/null; then
      echo "$node is off"
    elif ! engine_answers "$node"; then
      echo "$node's engine does not answer"
    elif ! grep -qx "$node True" <<<"$ready"; then
      echo "$node is not Ready"
    fi
  done
}

ready_nodes() {
  kubectl get nodes --request-timeout=5s \
    -o 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' 2>/dev/null
}

status() {
  local name node ready
  if [[ ! -e $state ]]; then
    echo "down"
    return
  fi
  printf '%-20s %-8s %s\n' PROCESS PID LOG
  for name in "${daemons[@]}" registry locked-registry; do
    [[ $name == *registry && ! -e $state/$name.pid ]] ||
      printf '%-20s %-8s %s\n' "$name" "$(pid_of "$name" || echo -)" "$state/log/$name.log"
  done
  printf '\n%-8s %-12s %-6s %-9s %-8s %-11s %s\n' NODE ADDRESS POWER READY ENGINE CONTAINERS SOCKET
  ready=$(ready_nodes || true)
  for node in $(nodes); do
    printf '%-8s %-12s %-6s %-9s %-8s %-11s %s\n' "$node" "$net.1${node#node-}" \
      "$(init_pid "$node" >/dev/null && echo on || echo off)" \
      "$(awk -v node="$node" '$1 == node {print $2}' <<<"$ready" | grep . || echo '?')" \
      "$(engine_answers "$node" && echo up || echo -)" \
      "$(timeout 2 docker -H "$(engine_of "$node")" ps -q 2>/dev/null | wc -l)" \
      "$state/$node/run/docker.sock"
  done
}

need_up() { [[ -d $state ]] || die "no cluster is up (cluster up)"; }

# Two runs must not make and remove the same bridge at once. A folder outside the state is locked, so that nothing is left.
lock() {
  exec 9<"$cache"
  flock -w 300 9 || die "another run has been bringing the cluster up or down for 5 minutes"
}
