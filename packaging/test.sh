#!/usr/bin/env bash
# Installs the packages of a build folder on a fresh Debian (debootstrap, as root) and runs a federation with them:
#     packaging/test.sh build/release build/client
# (There is no /proc in there, so the simulation starts no processes.) A server with keys and three clients from device files must come to the model that the simulation there comes to.
set -euo pipefail
root=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null || true; wait || true; rm -rf "$root"' EXIT
for build in "$@"; do
  rm -f "$build"/fedloom*.deb
  (cd "$build" && cpack -G DEB >/dev/null)
  for package in "$build"/fedloom*.deb; do
    [ -n "$(dpkg-deb -f "$package" Depends)" ] || { echo "$package depends on nothing" >&2; exit 1; }
  done
done
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
debootstrap --variant=minbase "$release" "$root" >/dev/null
for build in "$@"; do cp "$build"/fedloom*.deb "$root/tmp"; done
cp /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || true
inside() { chroot "$root" env DEBIAN_FRONTEND=noninteractive HOME=/root timeout 600 "$@"; }
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
inside timeout 100 fedloom server $job $settings --listen ipc:///tmp/federation --key /etc/fedloom/server.key \
  --clients /etc/fedloom/clients.keys --out /tmp/deployed --quiet --no-report &
running=($!)
for i in 0 1 2; do
  inside timeout 100 fedloom-client /etc/fedloom/client$i.yaml --quiet &
  running+=($!)
done
for process in "${running[@]}"; do wait "$process"; done
# shellcheck disable=SC2086
inside fedloom run $job $settings --transport inproc --out /tmp/simulated --quiet --no-report
hash_of() { sed -n 's/.*"model_hash": *"\([0-9a-f]*\)".*/\1/p' "$root/tmp/$1/summary.json"; }
[ -n "$(hash_of deployed)" ] && [ "$(hash_of deployed)" = "$(hash_of simulated)" ] ||
  { echo "models differ: '$(hash_of deployed)' and '$(hash_of simulated)'" >&2; exit 1; }
# The units are what systemd understands.
inside sh -c 'apt-get -qq install --no-install-recommends -y systemd' >/dev/null
inside systemd-analyze verify fedloom-client.service fedloom-server@any.service
inside getent group fedloom >/dev/null
# What was enabled goes with its package, instances of the template too.
inside systemctl enable fedloom-client.service fedloom-server@any.service fedloom-server@other.service
inside sh -c 'apt-get -qq remove -y fedloom fedloom-client fedloom-dev' >/dev/null
[ -z "$(find "$root/etc/systemd/system" -name 'fedloom*')" ] || { echo "units are still enabled" >&2; exit 1; }
[ -z "$(inside sh -c 'command -v fedloom fedloom-client' || true)" ]
inside sh -c 'apt-get -qq purge -y fedloom fedloom-client' >/dev/null
inside test ! -e /etc/fedloom
echo "packages: installed on a fresh $release, ran a federation, removed"
