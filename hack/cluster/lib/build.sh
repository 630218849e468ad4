# The binaries of the cluster, from Go modules, and the pods' sandbox image.
# shellcheck shell=bash

version=v1.35.4
# The key of the cache: what is built, not where the checkout is.
stamp=$(cat "$here"/*/go.mod "$here"/*/go.sum "$here"/coredns/main.go | sha256sum | cut -c1-16)
bin=$cache/cluster-$stamp
pause=$cache/pause-$(sha256sum <"$here/pause/main.go" | cut -c1-16).tar

build() {
  [[ -e $bin/.complete ]] || build_binaries
  [[ -e $pause ]] || build_pause
}

build_binaries() {
  local package=k8s.io/component-base/version
  local ld="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=35"
  need_toolchains go
  mkdir -p "$bin"
  export CGO_ENABLED=0
  go_build kubernetes "building Kubernetes $version and etcd (about 6 min on two cores from nothing)" -ldflags "$ld" -o "$bin/" tool
  mv "$bin/server" "$bin/etcd" # the name of etcd's main package
  go_build helm "building Helm (about 2 min)" -ldflags "-s -w" -o "$bin/" tool
  go_build coredns "building CoreDNS (about 1 min)" -ldflags "-s -w" -o "$bin/coredns" .
  touch "$bin/.complete"
  say "built in $bin"
}

go_build() { # FOLDER WHAT ARGUMENTS…
  local folder=$1 what=$2
  shift 2
  (cd "$here/$folder" && quietly "$what" go build -trimpath "$@")
}

# A Docker archive of one layer, put together without an engine: no engine runs yet when the first node needs it.
build_pause() {
  local work id
  need_toolchains go
  work=$(mktemp -d)
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$work/pause" "$here/pause/main.go"
  tar -C "$work" -cf "$work/layer.tar" pause
  id=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
  cat >"$work/config.json" <<C
{"architecture": "$(go env GOARCH)", "os": "linux", "config": {"Entrypoint": ["/pause"]}, "rootfs": {"type": "layers", "diff_ids": ["sha256:$id"]}}
C
  echo '[{"Config": "config.json", "RepoTags": ["localhost/pause:1"], "Layers": ["layer.tar"]}]' >"$work/manifest.json"
  tar -C "$work" -cf "$pause.partial" layer.tar config.json manifest.json
  mv "$pause.partial" "$pause"
  rm -rf "$work"
}
