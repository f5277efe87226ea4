#!/bin/sh
# A cluster of one node out of what build.sh has made, for tests on a machine that has no other.
# It lives in namespaces of its own, of network, processes and mounts: ended, it leaves nothing running, mounted or
# routed.
# Needs root and a Docker Engine, of which it takes images. There is no name server in it, and no network but its own.
# usage: deploy/stand-in/kubernetes/cluster.sh up [FOLDER]     start it and wait for the node; prints its KUBECONFIG
#        deploy/stand-in/kubernetes/cluster.sh load IMAGE...   give it images of the Docker Engine's
#        deploy/stand-in/kubernetes/cluster.sh down [FOLDER]   end it and remove all that it has kept
# FOLDER is .canopy/kubernetes by default; for load, it is the variable's FOLDER.
set -eu

cd "$(dirname "$0")/../../.."
here=deploy/stand-in/kubernetes
command=${1:-}
[ $# -eq 0 ] || shift
folder=${FOLDER:-.canopy/kubernetes}
[ "$command" = load ] || folder=${1:-$folder}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
state="$folder/state"

# The node's end of the cable to this machine, where the API and every NodePort are, and this machine's end.
export NODE_ADDRESS=10.213.0.2
host_address=10.213.0.1
# The pause container of every pod; containerd would pull it.
pause=stand-in/pause:1

die() {
    echo "cluster: $*" >&2
    exit 1
}

# A certificate of the cluster's own authority: NAME SUBJECT [ALTERNATIVE-NAMES].
certificate() {
    openssl req -new -newkey rsa:2048 -nodes -keyout "$state/$1.key" -subj "$2" -out "$state/$1.csr" 2>/dev/null
    printf 'subjectAltName=%s\n' "${3:-DNS:$1}" >"$state/$1.ext"
    openssl x509 -req -in "$state/$1.csr" -CA "$state/ca.crt" -CAkey "$state/ca.key" -CAcreateserial -days 30 \
        -extfile "$state/$1.ext" -out "$state/$1.crt" 2>/dev/null
}

# Everything in the cluster is its administrator: it is for tests, and nobody else reaches it.
write_configuration() {
    mkdir -p "$state"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$state/ca.key" -subj /CN=stand-in -days 30 -out "$state/ca.crt" \
        2>/dev/null
    certificate apiserver /CN=apiserver "IP:$NODE_ADDRESS,IP:127.0.0.1,IP:10.96.0.1"
    certificate admin /O=system:masters/CN=admin
    openssl genrsa -out "$state/accounts.key" 2048 2>/dev/null
    sed "s|@STATE@|$state|; s|@ADDRESS@|$NODE_ADDRESS|" "$here/kubeconfig.yaml" >"$state/kubeconfig"
    sed "s|@STATE@|$state|" "$here/kubelet.yaml" >"$state/kubelet.yaml"
    sed "s|@STATE@|$state|; s|@PAUSE@|docker.io/$pause|" "$here/containerd.toml" >"$state/containerd.toml"
    mkdir -p "$state/cni"
    cp "$here/network.json" "$state/cni/10-pods.conflist"
}

# Into the namespaces of the node.
inside() {
    nsenter --target "$(cat "$state/init.pid")" --net --mount --pid "$@"
}

load() {
    docker save "$@" | inside ctr --address /run/canopy-stand-in/containerd.sock --namespace k8s.io images import - >&2
}

pause_image() {
    docker image inspect "$pause" >/dev/null 2>&1 && return
    root=$(mktemp -d)
    gcc -Os -static -DVERSION=stand-in -o "$root/pause" "$folder/source/kubernetes/build/pause/linux/pause.c"
    tar -C "$root" -c pause | docker import --change 'ENTRYPOINT ["/pause"]' - "$pause" >&2
    rm -r "$root"
}

up() {
    [ -x "$folder/bin/kubelet" ] || die "there is nothing to start yet: run $here/build.sh"
    [ ! -e "$state" ] || die "there is one already: end it by $0 down"
    docker info >/dev/null 2>&1 || die "no Docker Engine answers, whose images it takes"
    pause_image
    write_configuration
    for controller in /sys/fs/cgroup/*/; do
        mkdir -p "$controller/canopy-stand-in"
    done
    # The first process of the node: when it ends, all others do, and its mounts and its network are gone.
    setsid unshare --net --mount --pid --fork --kill-child --mount-proc \
        sh "$here/node.sh" "$folder" >"$state/node.log" 2>&1 &
    echo $! >"$state/unshare.pid"
    until pgrep --parent "$(cat "$state/unshare.pid")" >"$state/init.pid"; do sleep 0.1; done
    ip link add canopy-kube type veth peer name node0 netns "$(cat "$state/init.pid")"
    ip address add "$host_address/30" dev canopy-kube
    ip link set canopy-kube up
    touch "$state/cable"
    tries=0
    export KUBECONFIG="$state/kubeconfig"
    until "$folder/bin/kubectl" wait --for=condition=Ready --timeout=5s node --all >&2; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || die "the node is not ready; $state/*.log tell more"
        sleep 2
    done
    load "$pause"
    echo "$state/kubeconfig"
}

down() {
    [ -e "$state" ] || return 0
    if [ -s "$state/unshare.pid" ]; then
        kill -KILL "$(cat "$state/unshare.pid")" 2>/dev/null || true
        while [ -s "$state/init.pid" ] && kill -0 "$(cat "$state/init.pid")" 2>/dev/null; do sleep 0.1; done
    fi
    ip link delete canopy-kube 2>/dev/null || true
    find /sys/fs/cgroup/*/canopy-stand-in -depth -type d -exec rmdir {} + 2>/dev/null || true
    rmdir /run/canopy-stand-in 2>/dev/null || true
    rm -rf "$state"
}

case "$command" in
    up) up ;;
    load) load "$@" ;;
    down) down ;;
    *) die "say up, load IMAGE... or down" ;;
esac
