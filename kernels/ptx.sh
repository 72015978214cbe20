#!/usr/bin/env bash
# Translates src/main/cuda/*.cu to the PTX that the jar carries, and writes down what was made from what. Needs nvcc.
#
#   kernels/ptx.sh           renews src/main/resources/io/kvmanager/kernels/cuda: *.ptx and kernels.lock
#   kernels/ptx.sh FOLDER    only translates, into FOLDER
#
# NVCC names another compiler than the one on the PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

sources=src/main/cuda
resources=src/main/resources/io/kvmanager/kernels/cuda
nvcc=${NVCC-nvcc}

# The oldest PTX that has what the kernels use: any driver that knows Ampere takes it, and translates it for newer cards.
ptx_version=7.8
architecture=compute_80

translate() {
  local source name
  for source in "$sources"/*.cu; do
    name=$(basename "$source" .cu)
    "$nvcc" -O3 -std=c++17 -ptx -arch="$architecture" "$source" -o "$1/$name.ptx"
    sed -i "s/^\.version [0-9.]*$/.version $ptx_version/" "$1/$name.ptx"
  done
}

# Lines of "kind SHA-256 file".
hashes() {
  local kind=$1 file
  shift
  for file; do
    printf '%s %s %s\n' "$kind" "$(sha256sum <"$file" | cut -d' ' -f1)" "$(basename "$file")"
  done
}

command -v "$nvcc" >/dev/null || {
  printf 'ptx.sh: needs nvcc (%s was not found); set NVCC\n' "$nvcc" >&2
  exit 1
}
if [[ $# -gt 0 ]]; then
  translate "$1"
  exit
fi
mkdir -p "$resources"
rm -f "$resources"/*.ptx
translate "$resources"
export LC_ALL=C
{
  printf 'nvcc %s\n' "$("$nvcc" --version | sed -n 's/.*, V\([0-9.]*\)$/\1/p')"
  hashes source "$sources"/*
  hashes ptx "$resources"/*.ptx
} >"$resources/kernels.lock"
printf 'ptx.sh: %s\n' "$(grep -c '^ptx' "$resources/kernels.lock") files renewed"
