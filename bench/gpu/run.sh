#!/usr/bin/env bash
# On a machine with a GPU, in the folder that bundle.sh made: runs the gpu suite, then the benchmarks. Results go to
# $OUT (default: out): env.txt, tests.txt, and a JSON file per benchmark.
#
#   KV_GPU_JVM_FLAGS, KV_GPU_BENCH_FLAGS, KV_GPU_DEVICE   more flags, and another device than cuda:0
#
# usage: run.sh [SUITE_SECONDS [BENCHMARK_SECONDS]]
# Exit status: 0 all GPU tests passed, 1 one failed or a benchmark did, 3 no GPU test ran.
set -uo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
suite_seconds=${1:-300}
benchmark_seconds=${2:-240}
out=${OUT:-$PWD/out}
work=${KV_GPU_WORK:-${TMPDIR:-/tmp}/kv-gpu}
mkdir -p "$out" "$work"

if [[ $(cat "$work/jre.id" 2>/dev/null) != "$(cat "$here/jre.id")" ]]; then
  rm -rf "$work/jre"
  tar -xzf "$here/jre.tar.gz" -C "$work"
  cp "$here/jre.id" "$work/jre.id"
fi

tests=("$here"/tests/*)
class_path=$(printf '%s:' "${tests[@]}" "$here"/lib/*.jar)
java=("$work/jre/bin/java" --enable-native-access=ALL-UNNAMED --add-modules jdk.incubator.vector
  "-Djava.library.path=$here/natives" "-Djava.io.tmpdir=$work" ${KV_GPU_JVM_FLAGS:-} -cp "${class_path%:}")

{
  date -u +%FT%TZ
  echo "commit $(cat "$here/commit")"
  nvidia-smi --query-gpu=name,driver_version,memory.total,memory.free,clocks.sm,clocks.mem,pcie.link.gen.current,pcie.link.width.current,persistence_mode,compute_mode \
    --format=csv 2>&1 || true
  uname -srm
  nproc
  "${java[@]}" -version 2>&1
} | grep -v 'Using incubator' >"$out/env.txt"
cat "$out/env.txt"

timeout "$suite_seconds" "${java[@]}" io.kvmanager.bench.gpu.GpuSuite "${tests[@]}" 2>&1 | tee "$out/tests.txt"
status=${PIPESTATUS[0]}
[[ $status != 124 ]] || echo "gpu suite: stopped after $suite_seconds s" | tee -a "$out/tests.txt"

for benchmark in attention-gpu; do
  timeout "$benchmark_seconds" "${java[@]}" io.kvmanager.bench.Bench "$benchmark" --device "${KV_GPU_DEVICE:-cuda:0}" \
    --json "$out/$benchmark.json" ${KV_GPU_BENCH_FLAGS:-} 2>&1 | tee "$out/$benchmark.txt" || [[ $status != 0 ]] || status=1
done
# PyTorch, where the machine has it, is what the figures are compared with.
if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
  timeout "$benchmark_seconds" python3 "$here/baseline.py" "$out/baseline.json" >"$out/baseline.txt" 2>&1 || status=1
fi
echo "gpu kit: exit status $status"
exit "$status"
