#!/usr/bin/env bash
# A folder with the libraries of another Debian architecture, to compile against and to run programs in with qemu:
#     cmake/sysroot.sh arm64 build/sysroot-arm64
# Debian's own packages of the release that this machine runs, fetched and verified by apt and unpacked side by side.
# Nothing of this machine changes, and it needs no rights. Done again only when the list of packages changes.
set -euo pipefail
arch=$1
root=$(realpath -m "$2")
packages=(libc6-dev libstdc++-12-dev libzmq3-dev libyaml-cpp-dev libfmt-dev libssl-dev zlib1g-dev liblzma-dev
  libpng-dev libxxhash-dev libgtest-dev libgmock-dev libboost-dev libcereal-dev libcli11-dev libeigen3-dev
  nlohmann-json3-dev cppzmq-dev)

wanted="$arch ${packages[*]}"
if [ "$(cat "$root/.packages" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
rm -rf "$root"
mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial" "$root/usr/lib" "$root/usr/bin" "$root/usr/sbin"
touch "$root/apt/status"
# apt for a machine of that kind on which nothing is installed.
apt=(apt-get -qq -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$root/apt"
  -o Dir::State::status="$root/apt/status" -o Dir::Cache="$root/apt" -o APT::Sandbox::User=root
  -o Debug::NoLocking=1)
# One list that its mirror has half changed is no reason to do without the others; what is then missing is said below.
"${apt[@]}" update || {
  ls "$root"/apt/lists/*Packages* >/dev/null 2>&1 || { echo "sysroot.sh: no package list could be read" >&2; exit 1; }
  echo "sysroot.sh: going on with the package lists that could be read" >&2
}
"${apt[@]}" install --no-install-recommends --download-only --yes "${packages[@]}"
for folder in lib bin sbin; do ln -s "usr/$folder" "$root/$folder"; done
for deb in "$root"/apt/archives/*.deb; do
  # Their paths begin with ./lib or ./usr/lib alike, which are one folder here.
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./dev/*' --exclude='./var/*'
done
rm -rf "$root/apt"
# Links that lead to the root of a system lead to this one's.
find "$root/usr/lib" -type l -lname '/*' -printf '%p\t%l\n' | while IFS=$'\t' read -r link target; do
  ln -sfn "$root$target" "$link"
done
echo "$wanted" > "$root/.packages"
