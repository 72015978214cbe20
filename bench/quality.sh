#!/usr/bin/env bash
# Measures what docs/quality.md shows and writes its tables in place; what stands between the markers is replaced.
#
#   bench/quality.sh DATA MODEL [embedded|stories260K|bitllama3M ...]
#
#   DATA   folder with models/stories260K, models/bitllama3M and text/tinystories_first_half.txt.gz
#   MODEL  folder with the embedded model's heldout.txt and needles.jsonl
#
# JSON and HTML reports are left in target/quality. About ten minutes on two quiet cores.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
page=$root/docs/quality.md
out=$root/target/quality

fail() {
  printf 'quality: %s\n' "$1" >&2
  exit 2
}

[[ $# -ge 2 ]] || fail 'accepted: quality.sh DATA MODEL [model ...]'
data=$1 own=$2
shift 2
stories=$data/text/tinystories_first_half.txt.gz
for file in "$stories" "$own/heldout.txt" "$own/needles.jsonl"; do
  [[ -f $file ]] || fail "$file is missing"
done
mkdir -p "$out"

# Replaces what stands between two markers of the page by a file.
insert() {
  local name=$1 file=$2
  grep -q "^<!-- begin $name -->$" "$page" || fail "$page has no marker for $name"
  awk -v name="$name" -v file="$file" '
    $0 == "<!-- end " name " -->" { inside = 0 }
    !inside { print }
    $0 == "<!-- begin " name " -->" {
      inside = 1
      print ""
      while ((getline line < file) > 0) print line
      print ""
    }' "$page" >"$out/page.md"
  cp "$out/page.md" "$page"
}

# One comparison; its tables go to the page.
compare() {
  local name=$1
  shift
  "$root/kv" compare "$@" --markdown "$out/$name.md" --json "$out/$name.json" --report "$out/$name.html" >"$out/$name.txt"
  insert "$name" "$out/$name.md"
}

# A profile of the model, from the first half of a text's lines; what it predicts and what was measured go to the page.
calibrate() {
  local name=$1 profile=$2
  shift 2
  "$root/kv" calibrate "$@" --out "$profile" --markdown "$out/$name.md" >"$out/$name.txt"
  insert "$name" "$out/$name.md"
}
