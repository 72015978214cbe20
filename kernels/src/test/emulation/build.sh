#!/usr/bin/env bash
# Builds the CPU emulation of the CUDA driver:
#
#   build.sh OUTPUT_DIR [CUDA_SOURCE_DIR]
#
#     libcuda.so.1              the driver, which JCuda and java.lang.foreign load in place of NVIDIA's
#     libkernels.so             the kernels of CUDA_SOURCE_DIR (src/main/cuda if left out), which the driver loads
#     libselftest.so            the kernels of selftest/, by which the emulation itself is tested
#
#   build.sh OUTPUT_DIR CUDA_SOURCE_DIR NAME
#
#     libNAME.so                the kernels of CUDA_SOURCE_DIR, a changed copy of the sources, for the driver that is
#                               there; copies that kept the time of their original (cp -p) are not compiled again
#
# What is newer than its sources is kept. Without g++, or on anything but Linux on x86-64, nothing is built.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?an output folder}
cuda=${2:-$here/../../main/cuda}
name=${3:-}

if ! command -v g++ > /dev/null || [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "cuda emulation: not built (it needs g++ on Linux, x86-64); its tests are skipped"
    exit 0
fi
mkdir -p "$out/objects"
out=$(cd "$out" && pwd)

# -ffp-contract=off: the same sums whatever the optimiser does.
flags=(-std=c++17 -O2 -g1 -fPIC -ffp-contract=off -Wall -Wextra)
# -fsanitize=thread: the compiler's calls before loads and stores, see engine/access_check.h. TLS descriptors make shared
# memory cheaper to reach. -fno-gnu-unique: the shared memory of a template is each library's own.
device_flags=("${flags[@]}" -fsanitize=thread --param tsan-instrument-func-entry-exit=0 -fno-plt -mtls-dialect=gnu2
    -fno-gnu-unique -Wno-unknown-pragmas -Wno-unused-parameter)

# is_fresh OUTPUT SOURCES...
is_fresh() {
    local output=$1 source
    shift
    [ -e "$output" ] || return 1
    for source in "$@" "$here/build.sh"; do
        if [ "$source" -nt "$output" ]; then
            return 1
        fi
    done
}

jobs_failed=0
running=()
# Runs a command beside the others, as many as there are processors.
in_background() {
    if [ "${#running[@]}" -ge "$(nproc)" ]; then
        wait "${running[0]}" || jobs_failed=1
        running=("${running[@]:1}")
    fi
    "$@" &
    running+=($!)
}
wait_for_all() {
    local job
    for job in "${running[@]}"; do
        wait "$job" || jobs_failed=1
    done
    running=()
    [ "$jobs_failed" = 0 ]
}

compile_driver() {
    local headers=("$here"/device/*.h "$here"/engine/*.h "$here"/driver/*.h) source object
    local generated=$out/objects/unsupported.cpp call
    {
        echo '// Generated: calls that libJCudaDriver.so names and nobody needs.'
        for call in $(grep -v '^#' "$here/driver/unsupported.txt"); do
            echo "extern \"C\" int $call() { return 801; }"
        done
    } > "$generated.new"
    if cmp -s "$generated.new" "$generated"; then
        rm "$generated.new"
    else
        mv "$generated.new" "$generated"
    fi
    for source in "$here"/engine/*.cpp "$here"/engine/*.S "$here"/driver/*.cpp "$generated"; do
        object=$out/objects/$(basename "$source").o
        is_fresh "$object" "$source" "${headers[@]}" || in_background g++ "${flags[@]}" -c "$source" -o "$object"
    done
    wait_for_all
    local objects=("$out"/objects/*.cpp.o "$out"/objects/*.S.o)
    is_fresh "$out/libcuda.so.1" "${objects[@]}" \
        || g++ -shared -Wl,-soname,libcuda.so.1 -Wl,-z,defs -o "$out/libcuda.so.1" "${objects[@]}" -ldl
}

# Dynamic shared memory, which C++ cannot declare as CUDA does, as a sed command that makes it a pointer:
#   extern __shared__ __align__(16) float parts[];
#   float* const parts = static_cast<float*>(emulation::dynamicShared());
space='[[:space:]]*'
alignment="((__align__|alignas|__attribute__)$space\(+[^)]*\)+$space)?"
name_pattern='[A-Za-z_][A-Za-z0-9_]*'
type_pattern='[A-Za-z_][A-Za-z0-9_:[:space:]]*[[:space:]]'
declaration="extern[[:space:]]+__shared__[[:space:]]+$alignment($type_pattern)($name_pattern)$space\[\]$space;"
dynamic_shared="s/$declaration/\3* const \4 = static_cast<\3*>(emulation::dynamicShared());/"

# The kernels of a preprocessed text, one "name" or "bounds|name" a line.
list_kernels() {
    local bounds="(__launch_bounds__$space\([^()]*\)$space)?" void="(void[[:space:]]+)?"
    tr '\n' ' ' < "$1" \
        | grep -oE "__global__[[:space:]]+$void$bounds$void$name_pattern$space\(" \
        | sed -E 's/^__global__//; s/void[[:space:]]//; s/[[:space:]]*\($//; s/[[:space:]]//g' \
        | sed -E 's/__launch_bounds__\(([^(),]*)[^()]*\)/\1|/'
}

# compile_kernels SOURCE OBJECT: one .cu file. The first pass expands macros and keeps CUDA's qualifiers, by
# which kernels and dynamic shared memory are found; the second compiles the text with a registration for every kernel.
compile_kernels() {
    local source=$1 object=$2 line text
    text=${object%.o}.cpp
    g++ -std=c++17 -E -x c++ -I"$(dirname "$source")" -include "$here/device/language.h" "$source" \
        | sed -E "$dynamic_shared" > "$text.new"
    for line in $(list_kernels "$text.new"); do
        [[ $line == *"|"* ]] || line="1024|$line"
        echo "static const emulation::Registration registration_${line#*|}(\"${line#*|}\", &${line#*|}, ${line%|*});"
    done >> "$text.new"
    mv "$text.new" "$text"
    g++ "${device_flags[@]}" -include "$here/device/qualifiers.h" -c "$text" -o "$object"
}

# link_kernels NAME SOURCE_DIR
link_kernels() {
    local name=$1 sources=$2 library=$out/lib$1.so source object
    local objects=() headers=("$here"/device/*.h)
    for source in "$sources"/*.cuh "$sources"/*.h; do
        [ -e "$source" ] && headers+=("$source")
    done
    mkdir -p "$out/objects/$name"
    for source in "$sources"/*.cu; do
        [ -e "$source" ] || continue
        object=$out/objects/$name/$(basename "$source" .cu).o
        objects+=("$object")
        is_fresh "$object" "$source" "${headers[@]}" || in_background compile_kernels "$source" "$object"
    done
    wait_for_all
    # -Bsymbolic: a kernel's name means that kernel, whatever else the process has under it.
    if [ "${#objects[@]}" -gt 0 ] && ! is_fresh "$library" "${objects[@]}" "$out/libcuda.so.1"; then
        g++ -shared -Wl,-z,defs -Wl,-Bsymbolic -o "$library" "${objects[@]}" -L"$out" -l:libcuda.so.1
    fi
}

if [ -n "$name" ]; then
    [ -d "$out/objects/$name" ] || cp -pr "$out/objects/kernels" "$out/objects/$name"
    link_kernels "$name" "$cuda"
else
    compile_driver
    link_kernels kernels "$cuda"
    link_kernels selftest "$here/selftest"
fi
