#!/bin/sh
# The first process of the stand-in cluster's node: it starts all others in its own namespaces, and they end with it.
# cluster.sh runs it.
# usage: deploy/stand-in/kubernetes/node.sh FOLDER
set -eu

bin="$1/bin"
state="$1/state"
cd "$state"

run() {
    name=$(basename "$1")
    "$@" >"$state/$name.log" 2>&1 &
}

until [ -e cable ]; do sleep 0.1; done
ip link set lo up
ip address add "$NODE_ADDRESS/30" dev node0
ip link set node0 up
# kube-proxy and the kubelet ask which way the world is; there is none beyond this machine.
ip route add default dev node0
sysctl -q -w net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1

# In memory: what the cluster knows, and where its containers are.
mkdir -p /run/canopy-stand-in
mount -t tmpfs -o mode=755 run /run/canopy-stand-in

run etcd --data-dir /run/canopy-stand-in/etcd --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
run containerd --config "$state/containerd.toml"
run "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address "$NODE_ADDRESS" \
    --authorization-mode RBAC --client-ca-file ca.crt \
    --tls-cert-file apiserver.crt --tls-private-key-file apiserver.key \
    --kubelet-client-certificate admin.crt --kubelet-client-key admin.key \
    --kubelet-preferred-address-types InternalIP --service-cluster-ip-range 10.96.0.0/16 \
    --service-account-issuer https://stand-in --service-account-key-file accounts.key \
    --service-account-signing-key-file accounts.key --allow-privileged
run "$bin/kube-controller-manager" --kubeconfig kubeconfig --root-ca-file ca.crt --leader-elect=false \
    --service-account-private-key-file accounts.key --use-service-account-credentials
run "$bin/kube-scheduler" --kubeconfig kubeconfig --leader-elect=false
run "$bin/kubelet" --config kubelet.yaml --kubeconfig kubeconfig --root-dir "$state/kubelet" \
    --hostname-override node --node-ip "$NODE_ADDRESS" --container-runtime remote \
    --container-runtime-endpoint unix:///run/canopy-stand-in/containerd.sock
run "$bin/kube-proxy" --kubeconfig kubeconfig --proxy-mode iptables --cluster-cidr 10.212.0.0/16 \
    --hostname-override node --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 \
    --conntrack-tcp-timeout-close-wait 0
wait
