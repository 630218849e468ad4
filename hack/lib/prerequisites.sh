# Debian packages that the local cluster and the images are made of. Sourced after common.sh, never run.
# shellcheck shell=bash

packages=(
  docker.io iptables iproute2 containernetworking-plugins conntrack socat # the nodes
  openssl procps util-linux kmod ca-certificates docker-registry          # the control plane, the registry
  curl jq git shellcheck rsyslog                                          # the scripts and tests
)

# Installs what lacks, after saying so; says nothing when all is there.
prerequisites() {
  local missing=() package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} == 0)) && return
  need_root
  command -v apt-get >/dev/null || die "lacking: ${missing[*]}; this machine has no apt-get to install them with"
  export DEBIAN_FRONTEND=noninteractive
  quietly "reading Debian's package lists" apt-get update -q
  quietly "installing ${missing[*]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# Namespaces, bridges and cgroups are made without a virtual machine: that takes root.
need_root() {
  ((EUID == 0)) || die "this needs root: it makes network namespaces, cgroups and mounts (try: sudo --preserve-env=HOME,PATH $0)"
}

# Toolchains are not installed by us: their versions are the user's choice.
need_toolchains() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || die "lacking: $tool (Go >= 1.26 from https://go.dev/dl, Rust >= 1.95 from https://rustup.rs)"
    [[ $tool != cargo ]] || claim_target
  done
}

# All checkouts share what Cargo built, and Cargo goes by the sources' times, not by where they are: an older checkout would get
# the programs of a newer one.
claim_target() {
  local owner=$CARGO_TARGET_DIR/checkout
  [[ $(cat "$owner" 2>/dev/null) != "$root" ]] || return 0
  find "$root/src" "$root/tests" "$root/benches" -name '*.rs' -exec touch {} +
  mkdir -p "$CARGO_TARGET_DIR"
  echo "$root" >"$owner"
}
