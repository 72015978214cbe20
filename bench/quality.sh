#!/usr/bin/env bash
# Measures what docs/quality.md shows and writes its tables in place; what stands between the markers is replaced.
#
#   bench/quality.sh DATA MODEL [embedded|stories260K|bitllama3M ...]
#
#   DATA   folder with models/stories260K, models/bitllama3M and text/tinystories_first_half.txt.gz
#   MODEL  folder with the embedded model's heldout.txt and needles.jsonl
#
# JSON and HTML reports are left in target/quality. About a quarter of an hour on two quiet cores.
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

halves=$(mktemp -d)
trap 'rm -rf "$halves"' EXIT

# Two parts of a text: one to calibrate on, one to measure on.
halve() {
  local name=$1 text=$2 lines
  case $text in *.gz) gzip -dc "$text" ;; *) cat "$text" ;; esac >"$halves/whole"
  lines=$(wc -l <"$halves/whole")
  head -n $((lines / 2)) "$halves/whole" >"$halves/$name-calibrate.txt"
  tail -n +$((lines / 2 + 1)) "$halves/whole" >"$halves/$name-measure.txt"
}

budgets=0.3,0.46,0.6
rivals='local=local[budget={.02..1}],h2o=h2o[budget={.02..1}],snapkv=snapkv[budget={.02..1}]'
rivals+=',pyramidkv=pyramidkv[budget={.02..1}],tova=tova[budget={.02..1}]'
ours='pyramid=pyramid[retention=profile^{8.0..0}],pyramid+kcache=pyramid+kcache[retention=profile^{8.0..0}]'
ours+=',with int4=pyramid+kcache[retention=profile^{8.0..0},compensation=int4]'
ours+=',certified=pyramid+kcache[retention=profile^{8.0..0},selection=certified(0.01),compensation=int4]'

# Value offload alone: what stands in for the rest, with few tiles and with a certificate.
values=
for kind in none renormalise mean int4 int8; do
  values+="top 3 $kind=kcache[selection=topN(3),compensation=$kind],"
done
for epsilon in 0.05 0.01; do
  for kind in none mean int4 int8; do
    values+="certified $epsilon $kind=kcache[selection=certified($epsilon),compensation=$kind],"
  done
done
for tiles in 8 16 32; do
  values+="top $tiles int4=kcache[selection=topN($tiles),compensation=int4],"
done
values=${values%,}

embedded() {
  halve embedded "$own/heldout.txt"
  calibrate embedded-profile "$out/embedded-profile.json" --text "$halves/embedded-calibrate.txt"
  compare embedded --text "$halves/embedded-measure.txt" --windows 2 --questions 21 --filling-questions 5 \
    --budgets $budgets --caches "paged,$rivals,quest,paper-7b=pyramid[retention=paper-7b],half=pyramid[retention=half],$ours"
  compare embedded-values --text "$halves/embedded-measure.txt" --prompt-tokens 700 --new-tokens 300 --windows 1 \
    --questions 0 --filling-questions 0 --caches "$values"
  compare embedded-recall --text "$halves/embedded-measure.txt" --windows 1 --recall "$own/needles.jsonl" \
    --filling-questions 10 --caches pyramid+kcache
}

# Beside the profile, one share for all layers and a wide recent window: these models look near.
even() {
  local shares='{.02..1}' layer
  for ((layer = 1; layer < $1; layer++)); do shares+='/{.02..1}'; done
  printf 'even=pyramid[retention=layers(%s,recent=96)],even+kcache=pyramid+kcache[retention=layers(%s,recent=96)]' "$shares" "$shares"
}

small() {
  local name=$1 file=$2 layers=$3
  [[ -f $file ]] || fail "$file is missing"
  halve "$name" "$stories"
  calibrate "$name-profile" "$out/$name-profile.json" --model "$file" --text "$halves/$name-calibrate.txt"
  compare "$name" --model "$file" --profile "$out/$name-profile.json" --text "$halves/$name-measure.txt" \
    --prompt-tokens 340 --new-tokens 160 --windows 4 --questions 0 --filling-questions 0 \
    --budgets $budgets --caches "paged,$rivals,quest,$ours,$(even "$layers")"
  compare "$name-values" --model "$file" --profile "$out/$name-profile.json" --text "$halves/$name-measure.txt" \
    --prompt-tokens 340 --new-tokens 160 --windows 2 --questions 0 --filling-questions 0 --caches "$values"
}

[[ $# -gt 0 ]] || set -- embedded stories260K bitllama3M
for model in "$@"; do
  case $model in
    embedded) embedded ;;
    stories260K) small stories260K "$data/models/stories260K/stories260K.bin" 5 ;;
    bitllama3M) small bitllama3M "$data/models/bitllama3M/bit_model.bin" 8 ;;
    *) fail "model '$model' is unknown; accepted: embedded, stories260K, bitllama3M" ;;
  esac
done
