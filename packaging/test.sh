#!/usr/bin/env bash
# Installs the packages of a build folder on a fresh Debian (debootstrap, as root) and runs a federation with them:
#     packaging/test.sh build/release
# (There is no /proc in there, so the simulation starts no processes.) A server with keys and three clients from device files must come to the model that the simulation there comes to.
set -euo pipefail
build=$(realpath "$1")
root=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; wait || true; rm -rf "$root"' EXIT
rm -f "$build"/fedloom*.deb
(cd "$build" && cpack -G DEB >/dev/null)
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
debootstrap --variant=minbase "$release" "$root" >/dev/null
cp "$build"/fedloom*.deb "$root/tmp"
cp /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || true
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive HOME=/root "$@"; }
inside apt-get -qq update
inside sh -c 'apt-get -qq install --no-install-recommends -y /tmp/fedloom_*.deb /tmp/fedloom-client_*.deb /tmp/fedloom-dev_*.deb' >/dev/null

job=/usr/share/fedloom/experiments/smoke/softmax_synthetic.yaml
settings="--set data.clients=3 --set sampler=all --set pacer.clients_per_round=3"
server_key=$(inside fedloom keygen /etc/fedloom/server.key)
for i in 0 1 2; do
  echo "$(inside fedloom-client --new-key /etc/fedloom/client$i.key) $i"
  cat > "$root/etc/fedloom/client$i.yaml" <<EOF
connect: ipc:///tmp/federation
client: $i
key: client$i.key
server_key: "$server_key"
experiment: $job
data: {clients: 3}
state: /var/lib/client$i
EOF
done > "$root/etc/fedloom/clients.keys"
# shellcheck disable=SC2086
inside fedloom server $job $settings --listen ipc:///tmp/federation --key /etc/fedloom/server.key \
  --clients /etc/fedloom/clients.keys --out /tmp/deployed --quiet --no-report &
server=$!
for i in 0 1 2; do inside fedloom-client /etc/fedloom/client$i.yaml --quiet & done
wait $server
# shellcheck disable=SC2086
inside fedloom run $job $settings --transport inproc --out /tmp/simulated --quiet --no-report
hash_of() { sed -n 's/.*"model_hash": *"\([0-9a-f]*\)".*/\1/p' "$root/tmp/$1/summary.json"; }
[ -n "$(hash_of deployed)" ] && [ "$(hash_of deployed)" = "$(hash_of simulated)" ] ||
  { echo "models differ: '$(hash_of deployed)' and '$(hash_of simulated)'" >&2; exit 1; }
inside test -f /lib/systemd/system/fedloom-client.service
inside getent group fedloom >/dev/null
inside sh -c 'apt-get -qq remove -y fedloom fedloom-client fedloom-dev' >/dev/null
[ -z "$(inside sh -c 'command -v fedloom fedloom-client' || true)" ]
echo "packages: installed on a fresh $release, ran a federation, removed"
