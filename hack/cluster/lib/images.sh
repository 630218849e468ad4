# Images: from node-1's Docker Engine (where they are built) to where pods and tasks look for them; and two registries.
# shellcheck shell=bash

registry_address=$net.1:5000
# Asks for this name and password. In base64 they have a + and a /, which the two alphabets of base64 write differently.
locked_registry_address=$net.1:5443
registry_user=reader
registry_password='p?~>ss/w0rd'

engine_of() { echo "unix://$state/$1/run/docker.sock"; }

load() { # IMAGE [NODE…]: into the nodes' pod image store
  local image=${1:-} archive nodes
  [[ -n $image ]] || usage
  need_up
  shift
  nodes=("$@")
  ((${#nodes[@]})) || mapfile -t nodes < <(nodes)
  archive=$(archive_of "$image")
  each_in_parallel import_for_pods "${nodes[@]}"
  forget "$archive" "$image"
}

load_engine() { # ARCHIVE|IMAGE [NODE…]: into the nodes' Docker Engines
  local image=${1:-} archive nodes
  [[ -n $image ]] || usage
  need_up
  shift
  nodes=("$@")
  ((${#nodes[@]})) || mapfile -t nodes < <(nodes)
  archive=$(archive_of "$image")
  each_in_parallel import_for_tasks "${nodes[@]}"
  forget "$archive" "$image"
}

archive_of() { # ARCHIVE|IMAGE: the file itself, or the image saved from node-1
  local archive=$1
  if [[ ! -f $archive ]]; then
    archive=$(mktemp "$state/image.XXXXXX")
    docker -H "$(engine_of node-1)" save -o "$archive" "$1"
  fi
  echo "$archive"
}

forget() { [[ $1 == "$2" ]] || rm -f "$1"; } # ARCHIVE ARGUMENT: a temporary archive only

import_for_pods() { # NODE
  ctr -a "$state/$1/run/containerd/containerd.sock" -n k8s.io images import "$archive" >/dev/null &&
    say "$1: ${image##*/} is there for pods"
}

import_for_tasks() { # NODE
  docker -H "$(engine_of "$1")" load -q -i "$archive" >/dev/null &&
    say "$1: ${image##*/} is there for tasks"
}

registry() { # start|stop
  need_up
  case ${1:-} in
    start)
      pid_of registry >/dev/null && say "the registry runs already" && return
      cat >"$state/registry.yml" <<C
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $state/registry}, delete: {enabled: true}}
http: {addr: "$registry_address"}
C
      start registry docker-registry serve registry.yml
      wait_for 20 "the registry" curl -sf "http://$registry_address/v2/"
      say "registry ready at $registry_address"
      ;;
    stop)
      stop registry
      say "registry stopped; its images stay until the cluster goes down"
      ;;
    *) usage ;;
  esac
}

# The certificate is of the cluster's authority, which the engines trust for this address; they look there at each pull.
locked_registry() { # start|stop
  local node hash
  need_up
  case ${1:-} in
    start)
      pid_of locked-registry >/dev/null && say "the locked registry runs already" && return
      (cd "$state" && certificate locked-registry /CN=registry "subjectAltName=IP:$net.1")
      for node in $(nodes); do
        install -D -m 644 "$state/pki/ca.crt" "$state/$node/docker/certs.d/$locked_registry_address/ca.crt"
      done
      # shellcheck disable=SC2016
      hash=$(perl -e 'print crypt($ARGV[0], q{$2y$05$abcdefghijklmnopqrstuu})' "$registry_password")
      echo "$registry_user:$hash" >"$state/locked-registry.htpasswd"
      cat >"$state/locked-registry.yml" <<C
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $state/locked-registry}, delete: {enabled: true}}
http:
  addr: "$locked_registry_address"
  tls: {certificate: $state/pki/locked-registry.crt, key: $state/pki/locked-registry.key}
auth: {htpasswd: {realm: local, path: $state/locked-registry.htpasswd}}
C
      start locked-registry docker-registry serve locked-registry.yml
      wait_for 20 "the locked registry" curl -sf --cacert "$state/pki/ca.crt" -u "$registry_user:$registry_password" \
        "https://$locked_registry_address/v2/"
      say "registry ready at $locked_registry_address for $registry_user with the password $registry_password"
      ;;
    stop)
      stop locked-registry
      say "registry stopped; its images stay until the cluster goes down"
      ;;
    *) usage ;;
  esac
}
