#!/bin/sh
# Make the programs of a Kubernetes cluster out of Debian 12's packages, for a machine that can pull none.
# Debian has Kubernetes 1.20.2 as source only; what runs below it (etcd, containerd, CNI plugins) it has built.
# Needs root and Debian 12. Takes some ten minutes of CPU and 3 GB; what is there already is not built again.
# usage: deploy/stand-in/kubernetes/build.sh [FOLDER]    (default: .canopy/kubernetes)
set -eu

cd "$(dirname "$0")/../../.."
folder=${1:-.canopy/kubernetes}
programs="kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy"

mkdir -p "$folder/bin"
folder=$(cd "$folder" && pwd)
missing=
for program in $programs; do
    [ -x "$folder/bin/$program" ] || missing="$missing $program"
done

export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --no-install-recommends \
    conntrack containerd containernetworking-plugins etcd-server iproute2 iptables openssl runc socat >&2
if [ ! -x "$folder/bin/kubectl" ]; then
    # Debian has built this one, but installed it might stand in the way of another.
    (cd "$folder" && apt-get download kubernetes-client >&2 && dpkg-deb --extract kubernetes-client_*.deb client)
    install "$folder/client/usr/bin/kubectl" "$folder/bin/"
    rm -r "$folder/client" "$folder"/kubernetes-client_*.deb
fi
if [ -z "$missing" ]; then
    exit 0
fi
apt-get install --yes --no-install-recommends dpkg-dev golang-1.19-go make rsync >&2

# The machine's own sources, asked for source packages too, in lists of our own: the machine's stay as they are.
sources="$folder/apt"
mkdir -p "$sources/sources.list.d" "$sources/lists/partial"
: >"$sources/sources.list"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ -f "$file" ] || continue
    name=$(basename "$file" | sed 's/sources.list$/machine.list/')
    sed -E 's/^Types: deb$/Types: deb-src/; s/^deb /deb-src /' "$file" >"$sources/sources.list.d/$name"
done
apt() {
    apt-get --option "Dir::Etc::SourceList=$sources/sources.list" \
        --option "Dir::Etc::SourceParts=$sources/sources.list.d" --option "Dir::State::Lists=$sources/lists" "$@" >&2
}
apt update
mkdir -p "$folder/source"
cd "$folder/source"
if [ ! -f kubernetes/Makefile ]; then
    apt source --download-only kubernetes
    dpkg-source --extract ./kubernetes_*.dsc kubernetes >&2
fi

# What `make` would ask git for is told, so that the programs know their version.
version=$(sed -n '1s/^kubernetes (\(.*really\)\{0,1\}\([0-9.]*\)-.*/\2/p' kubernetes/debian/changelog)
cat >"$folder/source/version" <<VERSION
KUBE_GIT_COMMIT='unknown'
KUBE_GIT_TREE_STATE='archive'
KUBE_GIT_VERSION='v$version'
KUBE_GIT_MAJOR='1'
KUBE_GIT_MINOR='$(echo "$version" | cut -d. -f2)'
VERSION
targets=
for program in $missing; do
    targets="$targets cmd/$program"
done
echo "kubernetes: building $version:$missing" >&2
# Neither clouds nor Docker: a third of the work.
PATH=/usr/lib/go-1.19/bin:$PATH GOFLAGS="-mod=vendor -tags=providerless,dockerless" CGO_ENABLED=0 \
    KUBE_GIT_VERSION_FILE="$folder/source/version" make -C kubernetes WHAT="${targets# }" >&2
for program in $missing; do
    install "kubernetes/_output/bin/$program" "$folder/bin/"
done
