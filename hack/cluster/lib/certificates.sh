# Certificates and kubeconfig files. Elliptic curves, because twelve RSA keys take longer than etcd's start.
# shellcheck shell=bash

certificates() {
  authority ca local-ca
  authority front-ca front-proxy-ca
  openssl ecparam -name prime256v1 -genkey -noout -out pki/sa.key
  certificate apiserver /CN=kube-apiserver \
    "subjectAltName=IP:127.0.0.1,IP:$net.1,IP:10.96.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  ca=front-ca certificate front-proxy /CN=front-proxy-client
  identity admin /O=system:masters/CN=admin
  identity controller-manager /CN=system:kube-controller-manager
  identity scheduler /CN=system:kube-scheduler
  identity proxy /CN=system:kube-proxy
}

authority() { # NAME COMMON-NAME
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/CN=$2" \
    -keyout "pki/$1.key" -out "pki/$1.crt" 2>/dev/null
}

certificate() { # NAME SUBJECT [EXTENSIONS]; signed by $ca, "ca" when unset
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
    -keyout "pki/$1.key" -out "pki/$1.csr" 2>/dev/null
  openssl x509 -req -in "pki/$1.csr" -CA "pki/${ca:-ca}.crt" -CAkey "pki/${ca:-ca}.key" -CAcreateserial -days 365 \
    -out "pki/$1.crt" -extfile <(echo "${3:-keyUsage=digitalSignature}") 2>/dev/null
}

identity() { # NAME SUBJECT [EXTENSIONS]: a certificate and the kubeconfig that carries it
  certificate "$@"
  cat >"$1.kubeconfig" <<C
apiVersion: v1
kind: Config
current-context: local
contexts: [{name: local, context: {cluster: local, user: $1}}]
clusters: [{name: local, cluster: {server: "https://$net.1:6443", certificate-authority-data: $(base64 -w0 pki/ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "pki/$1.crt"), client-key-data: $(base64 -w0 "pki/$1.key")}}]
C
}
