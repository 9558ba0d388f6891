#!/usr/bin/env bash
# Runs every fuzz target of a package for a few seconds each: fuzz.sh 5s ./ingest ./schemas
set -euo pipefail
for_each=$1; shift
out=$(mktemp); trap 'rm -f "$out"' EXIT
for package in "$@"; do
	binary=$(mktemp); go test -c -o "$binary" "$package"
	targets=$("$binary" -test.list '^Fuzz'); rm -f "$binary"
	for target in $targets; do
		if ! timeout 120 go test -run '^$' -fuzz "^$target\$" -fuzztime "$for_each" -parallel 2 "$package" >"$out" 2>&1; then
			# The fuzzer's own end, taken for a failure.
			if ! grep -q 'Failing input\|panic\|seed corpus entry' "$out" && grep -q 'context deadline exceeded' "$out"; then
				continue
			fi
			cat "$out"; echo "fuzzing $package $target: a failing input was found" >&2; exit 1
		fi
		echo "fuzzed $package $target"
	done
done
