#!/usr/bin/env bash
# On a machine with a GPU, in the folder that bundle.sh made: runs the steps below one after the other, each with a
# limit of its own, so that one that hangs does not take the others' time. What a step finds is in $OUT (default: out) as
# soon as it is known; summary.txt and summary.json are renewed behind each step. The limits together are 9 minutes.
#
#   suite=150       the tests tagged gpu                                      tests.txt, tests.json
#   compare=60      kv compare on the device and on the host                  compare-*.txt, compare-*.json
#   transfer=60     kv bench transfer                                         transfer.txt, transfer.json
#   attention=100   kv bench attention-gpu                                    attention.txt, attention.json
#   baseline=60     PyTorch's attention on the same shapes, if there is one   baseline.txt, baseline.json
#   sanitizer=50    compute-sanitizer over some of the tests, if there is one sanitizer.txt
#
#   KV_GPU_DEVICE        another device than cuda:0
#   KV_GPU_WORK          where the JRE is unpacked and compiled kernels are kept; default: kv-gpu in the temporary folder
#   KV_GPU_EMULATION     a folder with the emulated driver: the kit is tried without a card, on tiny shapes
#
# usage: run.sh [STEP[=SECONDS]...]      all steps if none is named
# Exit status: 0 all steps passed, 1 one failed or ran out of time, 2 bad input, 3 no GPU test ran.
set -uo pipefail

here=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")" && pwd -P)
out=${OUT:-$PWD/out}
work=${KV_GPU_WORK:-${TMPDIR:-/tmp}/kv-gpu}
device=${KV_GPU_DEVICE:-cuda:0}
emulation=${KV_GPU_EMULATION:-}
all_steps=(suite=150 compare=60 transfer=60 attention=100 baseline=60 sanitizer=50)
mkdir -p "$out" "$work/cache"

# What a run on the emulated driver can afford.
suite=() suite_folders=("$here"/tests/*) transfer=() attention=() compare=(--prompt-tokens 600 --new-tokens 100)
if [[ -n $emulation ]]; then
  export LD_LIBRARY_PATH=$emulation KV_EMULATION_ORDER=lazy KV_EMULATION_SEED=2
  suite=(-Dkv.cases=1/60) suite_folders=("$here"/tests/{kernels,offload,inference,bench})
  transfer=(--bytes 64k --pieces 2k,32k --rounds 3)
  attention=(--cases 2x64 --types F16 --rounds 2 --copy-bytes 65536)
  compare=(--prompt-tokens 24 --new-tokens 3 --caches "paged,pyramid+kcache[selection=topN(1)]")
fi
# Kernels are compiled for the card once, by whichever process comes first.
export CUDA_CACHE_PATH=$work/cache CUDA_CACHE_MAXSIZE=1073741824

if [[ $(cat "$work/jre.id" 2>/dev/null) != "$(cat "$here/jre.id")" ]]; then
  rm -rf "$work/jre"
  tar -xzf "$here/jre.tar.gz" -C "$work"
  cp "$here/jre.id" "$work/jre.id"
fi
tests=("$here"/tests/*)
class_path=$(printf '%s:' "${tests[@]}" "$here"/lib/*.jar)
java=("$work/jre/bin/java" --enable-native-access=ALL-UNNAMED --add-modules jdk.incubator.vector
  "-Djava.library.path=$here/natives" "-Djava.io.tmpdir=$work" -cp "${class_path%:}")

started=$(date -u +%FT%TZ)
commit=$(cat "$here/commit")
gpu="no nvidia-smi"
[[ -z $(type -P nvidia-smi) ]] || gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>&1 | head -n 1)
[[ -z $emulation ]] || gpu="EMULATED DRIVER, speeds mean nothing"
{
  printf '%s\ncommit %s\n%s\n' "$started" "$commit" "$gpu"
  [[ -z $(type -P nvidia-smi) ]] || nvidia-smi --query-gpu=memory.total,memory.free,clocks.sm,clocks.mem,pcie.link.gen.current,pcie.link.width.current,persistence_mode,compute_mode \
    --format=csv 2>&1
  uname -srm
  nproc
  "${java[@]}" -version 2>&1
} | grep -v 'Using incubator' >"$out/env.txt"
cat "$out/env.txt"

names=() seconds=() results=()
status=0
skipped=75 # an exit status of ours

# Renews the summaries.
summarise() {
  local i
  {
    printf '%s  commit %s  %s\n' "$started" "$commit" "$gpu"
    for i in "${!names[@]}"; do
      printf '%-10s %5s s  %s\n' "${names[i]}" "${seconds[i]}" "${results[i]}"
    done
  } >"$out/summary.txt"
  {
    printf '{\n "date": "%s",\n "commit": "%s",\n "gpu": "%s",\n "steps": [' "$started" "$commit" "$gpu"
    for i in "${!names[@]}"; do
      printf '%s\n  {"name": "%s", "seconds": %s, "result": "%s"}' \
        "$([[ $i == 0 ]] || printf ,)" "${names[i]}" "${seconds[i]}" "${results[i]}"
    done
    printf '\n ]\n}\n'
  } >"$out/summary.json"
}

# note NAME STARTED RESULT
note() {
  names+=("$1") seconds+=("$((SECONDS - $2))") results+=("$3")
  summarise
}

# limited SECONDS FILE COMMAND...: its exit status; what it writes goes to the screen and to the file.
limited() {
  local limit=$1 file=$2
  shift 2
  timeout -k 5 "$limit" "$@" 2>&1 | grep --line-buffered -v 'Using incubator' | tee "$file"
  return "${PIPESTATUS[0]}"
}

# result STATUS: in words; a failure counts for the whole run.
result() {
  case $1 in
    0) printf 'passed' ;;
    3) printf 'NO GPU TEST RAN' ;;
    "$skipped") printf 'skipped' ;;
    124 | 137) printf 'out of time' ;;
    *) printf 'failed, exit status %s' "$1" ;;
  esac
}

count() {
  [[ $1 == 0 || $1 == "$skipped" || $status == 3 ]] || status=1
  [[ $1 != 3 ]] || status=3
}


run_suite() {
  limited "$1" "$out/tests.txt" "${java[@]}" "${suite[@]}" io.kvmanager.bench.gpu.GpuSuite "$device" "$out/tests.json" \
    "${suite_folders[@]}"
}

run_compare() {
  local of
  for of in "$device" host; do
    limited "$1" "$out/compare-${of%%:*}.txt" "${java[@]}" io.kvmanager.inference.cli.Kv compare --text "$here/story.txt" \
      --windows 1 --questions 0 --filling-questions 0 --device "$of" --json "$out/compare-${of%%:*}.json" \
      "${compare[@]}" || return
  done
}

run_transfer() {
  limited "$1" "$out/transfer.txt" "${java[@]}" io.kvmanager.bench.Bench transfer --device "$device" \
    --json "$out/transfer.json" "${transfer[@]}"
}

run_attention() {
  limited "$1" "$out/attention.txt" "${java[@]}" io.kvmanager.bench.Bench attention-gpu --device "$device" \
    --json "$out/attention.json" "${attention[@]}"
}

run_baseline() {
  if ! python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    echo "baseline: skipped, python3 has no torch with a GPU here" | tee "$out/baseline.txt"
    return "$skipped"
  fi
  limited "$1" "$out/baseline.txt" python3 "$here/baseline.py" "$out/baseline.json"
}

run_sanitizer() {
  local tool found
  found=$(PATH=$PATH:/usr/local/cuda/bin type -P compute-sanitizer)
  if [[ -z $found || -n $emulation ]]; then
    echo "sanitizer: skipped, there is no compute-sanitizer here" | tee "$out/sanitizer.txt"
    return "$skipped"
  fi
  for tool in memcheck racecheck; do
    limited "$(($1 / 2))" "$out/sanitizer-$tool.txt" "$found" --tool "$tool" --error-exitcode 9 --target-processes all \
      "${java[@]}" -Dkv.cases=1/100 io.kvmanager.bench.gpu.GpuSuite "$device" "$out/tests-$tool.json" \
      "$here/tests/kernels" || return
  done
}

steps=("$@")
((${#steps[@]})) || steps=("${all_steps[@]}")
for step in "${steps[@]}"; do
  name=${step%%=*}
  known=" ${all_steps[*]} "
  limit=${known##* "$name"=}
  limit=${limit%% *}
  [[ $step != *=* ]] || limit=${step#*=}
  if [[ $known != *" $name="* || ! $limit =~ ^[1-9][0-9]*$ ]]; then
    printf 'run.sh: step %s is not accepted; accepted: %s, with other seconds if wanted\n' "'$step'" "${all_steps[*]}" >&2
    exit 2
  fi
  printf '\n== %s, at most %s s\n' "$name" "$limit"
  from=$SECONDS
  "run_$name" "$limit"
  code=$?
  count "$code"
  note "$name" "$from" "$(result "$code")"
done
echo
cat "$out/summary.txt"
printf 'gpu kit: exit status %s\n' "$status"
exit "$status"
