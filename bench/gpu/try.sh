#!/usr/bin/env bash
# Shows that the kit is ready where there is no card: builds it, copies it to a fresh folder, and runs it there twice with
# neither Maven nor a JDK on the PATH: with the emulated driver in the card's place, where everything must pass, and
# without any driver, where the run must say that no GPU test ran and end with status 3. Needs g++.
set -euo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd -P)
"$root/bench/gpu/bundle.sh"
"$root/kernels/src/test/emulation/build.sh" "$root/kernels/target/emulation"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cp -r "$root/bench/target/gpu" "$fresh/kit"
mkdir "$fresh/bin"
for tool in bash basename cat cp cut date dirname env grep gzip head mkdir nproc readlink rm sed tar tee timeout uname; do
  ln -s "$(type -P "$tool")" "$fresh/bin/$tool"
done

# trial NAME EXPECTED-STATUS ENVIRONMENT...
trial() {
  local name=$1 expected=$2 code=0
  shift 2
  env -i PATH="$fresh/bin" KV_GPU_WORK="$fresh/work" OUT="$fresh/$name" "$@" "$fresh/kit/run.sh" suite=400 compare=200 \
    transfer=100 attention=100 baseline sanitizer || code=$?
  if [[ $code != "$expected" ]]; then
    printf 'try.sh: %s ended with status %s, not %s\n' "$name" "$code" "$expected" >&2
    exit 1
  fi
}
trial emulated 0 KV_GPU_EMULATION="$root/kernels/target/emulation"
for result in env.txt summary.txt summary.json tests.txt tests.json compare-cuda.json compare-host.json transfer.json \
  attention.json baseline.txt sanitizer.txt; do
  [[ -s $fresh/emulated/$result ]] || {
    printf 'try.sh: %s is missing\n' "$result" >&2
    exit 1
  }
done
trial without-driver 3
printf 'try.sh: the kit ran on the emulated driver, and a run without a driver was not taken for a pass\n'
