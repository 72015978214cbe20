#!/usr/bin/env bash
# Builds bench/target/gpu: all that the GPU suite and the GPU benchmarks need on a Linux x86-64 machine that has an
# NVIDIA driver and nothing else: a JRE made by jlink, the jars, the test classes, JCuda's native library, run.sh. It is
# an error if it takes more than 45 MB.
#
# usage: bench/gpu/bundle.sh      (KV_JAVA_HOME names a JDK 25, else ./kv's own search is used)
set -euo pipefail

root=$(cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/../.." && pwd -P)
kit=$root/bench/target/gpu
most_bytes=45000000
test_modules=(kvmanager kernels offload paging inference bench)
jre_modules=java.base,java.logging,java.management,java.xml,jdk.incubator.vector,jdk.management,jdk.unsupported

jdk=$("$root/kv" --java-home)
rm -rf "$kit/lib" "$kit/tests" "$kit/natives"
mkdir -p "$kit/lib" "$kit/tests" "$kit/natives"
mvn -q -B -f "$root/pom.xml" -Pgpu-kit -DskipTests package

# The JRE changes with the JDK only.
jre_id="$jre_modules $("$jdk/bin/java" -version 2>&1 | sed -n 2p)"
if [[ ! -f $kit/jre.tar.gz || $(cat "$kit/jre.id" 2>/dev/null) != "$jre_id" ]]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$jdk/bin/jlink" --add-modules "$jre_modules" --compress zip-9 --strip-debug --no-header-files --no-man-pages \
    --output "$work/jre"
  if type -P strip >/dev/null; then
    strip --strip-unneeded "$work/jre/lib/server/libjvm.so"
  fi
  tar -C "$work" -c jre | gzip -9 >"$kit/jre.tar.gz"
  printf '%s' "$jre_id" >"$kit/jre.id"
fi

# Of JCuda's natives only the driver's library is used, and it is unpacked.
rm -f "$kit"/lib/jcuda-natives-*.jar
cp "$root"/kernels/target/natives/libJCudaDriver-* "$kit/natives/"
for module in kvmanager kernels offload paging inference bench; do
  (cd "$root/$module/target/classes" && "$jdk/bin/jar" --create --file "$kit/lib/kv-$module.jar" .)
done
for module in "${test_modules[@]}"; do
  cp -r "$root/$module/target/test-classes" "$kit/tests/$module"
done
# Tests that need more than JUnit, none of them for a GPU.
rm -rf "$kit/tests/bench/io/kvmanager/bench/rules" "$kit"/tests/paging/io/kvmanager/paging/PoolLinearizabilityTest*
cp "$root/bench/gpu/run.sh" "$root/bench/gpu/baseline.py" "$kit/"
cp "$root/inference/src/main/resources/io/kvmanager/inference/cli/demo-story.txt" "$kit/story.txt"
git -C "$root" rev-parse HEAD >"$kit/commit" 2>/dev/null || echo unknown >"$kit/commit"
bytes=$(du -sb "$kit" | cut -f1)
printf 'gpu kit: %s bytes in %s\n' "$bytes" "$kit"
if ((bytes > most_bytes)); then
  printf 'gpu kit: too large; accepted: %s bytes\n' "$most_bytes" >&2
  exit 1
fi
