# What to look at when something on the cluster did not come about. Sourced after common.sh, never run.
# shellcheck shell=bash

diagnose() {
  local namespace
  {
    say "the cluster when it failed:"
    "$root/hack/cluster/cluster" status
    eval "$("$root/hack/cluster/cluster" env)"
    kubectl get pods --all-namespaces -o wide
    kubectl get ecs --all-namespaces
    kubectl get events --all-namespaces --sort-by=.lastTimestamp | tail -n 30
    for namespace in ecs-operator ecs-operator-agents; do
      kubectl logs -n "$namespace" -l app.kubernetes.io/name=ecs-operator --all-containers --prefix --tail=20
    done
  } >&2 || true
}
