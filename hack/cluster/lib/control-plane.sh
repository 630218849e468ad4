# etcd, API server, controller manager, scheduler and DNS, in the machine's own namespaces, at address .1 of the bridge.
# shellcheck shell=bash

net=10.90.0 # node i is .1i, pods of node i are 10.244.i.0/24, services are 10.96.0.0/16

control_plane() {
  bridge_up
  cp "$pause" pause.tar
  certificates
  start etcd etcd --name local --data-dir etcd --unsafe-no-fsync --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster local=http://127.0.0.1:2380
  audit_policy
  start_apiserver
  start controller-manager kube-controller-manager --kubeconfig=controller-manager.kubeconfig --leader-elect=false \
    --use-service-account-credentials --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt \
    --cluster-signing-cert-file=pki/ca.crt --cluster-signing-key-file=pki/ca.key --node-monitor-grace-period=15s
  start scheduler kube-scheduler --kubeconfig=scheduler.kubeconfig --leader-elect=false
  dns
}

bridge_up() {
  sysctl -n net.ipv4.ip_forward >ip-forward.before
  sysctl -qw net.ipv4.ip_forward=1
  # A fixed address: else the bridge takes that of a port, and a power-off would cut everybody's route to the API server.
  ip link add ecs0 address 02:ec:50:00:00:01 type bridge
  ip addr add "$net.1/24" dev ecs0
  ip link set ecs0 up
  iptables -I FORWARD -i ecs0 -j ACCEPT
  iptables -I FORWARD -o ecs0 -j ACCEPT
}

bridge_down() {
  local direction
  ip link del ecs0 2>/dev/null || true
  for direction in -i -o; do
    while iptables -D FORWARD "$direction" ecs0 -j ACCEPT 2>/dev/null; do :; done
  done
  [[ ! -s $state/ip-forward.before ]] || sysctl -qw "net.ipv4.ip_forward=$(cat "$state/ip-forward.before")"
}

# Also what `apiserver start` runs: one place for the flags.
start_apiserver() {
  start apiserver kube-apiserver --etcd-servers=http://127.0.0.1:2379 --advertise-address="$net.1" --secure-port=6443 \
    --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --tls-cert-file=pki/apiserver.crt --tls-private-key-file=pki/apiserver.key --client-ca-file=pki/ca.crt \
    --service-account-issuer=https://kubernetes.default.svc \
    --service-account-key-file=pki/sa.key --service-account-signing-key-file=pki/sa.key \
    --kubelet-client-certificate=pki/kubelet-client.crt --kubelet-client-key=pki/kubelet-client.key \
    --kubelet-preferred-address-types=InternalIP --enable-aggregator-routing=true \
    --requestheader-client-ca-file=pki/front-ca.crt --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file=pki/front-proxy.crt --proxy-client-key-file=pki/front-proxy.key \
    --audit-policy-file=audit.yaml --audit-log-path=log/audit.log --audit-log-maxsize=200
  wait_for 60 "the API server" kubectl get --raw /readyz
}

apiserver() { # stop|start
  need_up
  case ${1:-} in
    stop)
      stop apiserver
      say "API server stopped"
      ;;
    start)
      pid_of apiserver >/dev/null && say "the API server runs already" && return
      start_apiserver
      say "API server ready"
      ;;
    *) usage ;;
  esac
}

audit_policy() { # every write, once: tests count them
  cat >audit.yaml <<C
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, verbs: [create, update, patch, delete, deletecollection]}
  - {level: None}
C
}

# CoreDNS runs beside the API server; a Service without selector leads the pods to it.
dns() {
  cat >Corefile <<C
.:53 {
    bind $net.1
    errors
    kubernetes cluster.local in-addr.arpa {
        kubeconfig $state/admin.kubeconfig local
        ttl 5
    }
    cache 5
}
C
  start coredns coredns -conf Corefile
  kubectl apply -f - >/dev/null <<C
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: 10.96.0.10, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns-local, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [$net.1], conditions: {ready: true}}]
C
}
