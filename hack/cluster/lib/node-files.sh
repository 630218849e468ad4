# The files of a node, which survive its power-off: identity, settings, and the script that is its PID 1.
# shellcheck shell=bash

zones=(zone-a zone-b zone-c)

make_node() { # NODE
  local node=$1 index=${1#node-} zone
  local home=$state/$1 ip=$net.1${1#node-}
  zone=${zones[(index - 1) % ${#zones[@]}]}
  mkdir -p "$home"/{run,cni,docker,log/pods,lib/docker,lib/containerd,lib/kubelet}
  identity "$node" "/O=system:nodes/CN=system:node:$node" "subjectAltName=IP:$ip,DNS:$node"
  pod_network
  containerd_settings
  kubelet_settings
  proxy_settings
  engine_script
  init_script
}

pod_network() {
  cat >"$home/cni/10-pods.conflist" <<C
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "ranges": [[{"subnet": "10.244.$index.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
C
}

containerd_settings() {
  cat >"$home/containerd.toml" <<C
version = 2
root = "$home/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$home/lib/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true                 # without CAP_SYS_RESOURCE a sandbox cannot lower its own score
  sandbox_image = "localhost/pause:1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$home/cni"
C
}

kubelet_settings() { # a node that went away is NotReady after 15 s (the controller manager's grace period)
  cat >"$home/kubelet.yaml" <<C
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/$node.crt
tlsPrivateKeyFile: $state/pki/$node.key
cgroupDriver: cgroupfs
cgroupRoot: /ecs-$node
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
podLogsDir: $home/log/pods
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
evictionHard: {memory.available: 100Mi}
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 3s
C
}

proxy_settings() {
  cat >"$home/proxy.yaml" <<C
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $state/proxy.kubeconfig}
hostnameOverride: $node
clusterCIDR: 10.244.0.0/16
mode: iptables
conntrack: {maxPerCore: 0, min: null}
C
}

engine_script() { # its own file, because it is also started alone, after an engine was killed
  cat >"$home/engine" <<C
exec dockerd --containerd /run/containerd/containerd.sock --data-root $home/lib/docker --exec-root /run/docker \\
  --cgroup-parent /ecs-$node/docker --exec-opt native.cgroupdriver=cgroupfs --bip 172.30.$index.1/24 \\
  --insecure-registry $registry_address
C
}

init_script() {
  cat >"$home/init" <<C
# PID 1 of $node: when it dies, everything of the node dies with it; it outlives each of its children.
mount --make-rprivate /
mount -t proc proc /proc
mount --bind $home/boot-id /proc/sys/kernel/random/boot_id
mount --bind $home/run /run
mount --bind $home/log /var/log
mount --bind $home/docker /etc/docker # the engine's ID is made from a key in there
mount --bind $home/lib/kubelet /var/lib/kubelet
mkdir -p /run/ecs-preload
mount --bind $state/preload /run/ecs-preload
hostname $node
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  for c in \$(cat /sys/fs/cgroup/cgroup.controllers); do echo +\$c >/sys/fs/cgroup/cgroup.subtree_control; done
  mkdir -p /sys/fs/cgroup/ecs-$node
else
  for c in /sys/fs/cgroup/*/; do
    mkdir -p \${c}ecs-$node
    [ ! -e \${c}cpuset.cpus ] || for f in cpus mems; do cat \${c}cpuset.\$f >\${c}ecs-$node/cpuset.\$f; done
  done
fi
cd $home
containerd --config containerd.toml --log-level warn >>log/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.05; done
ctr -n k8s.io images import $state/pause.tar >/dev/null
bash engine >>log/dockerd.log 2>&1 &
kubelet --config kubelet.yaml --kubeconfig $state/$node.kubeconfig --hostname-override $node --node-ip $ip \\
  --root-dir $home/lib/kubelet --node-labels topology.kubernetes.io/zone=$zone >>log/kubelet.log 2>&1 &
kube-proxy --config proxy.yaml >>log/proxy.log 2>&1 &
while true; do sleep 3600 & wait \$!; done
C
}
