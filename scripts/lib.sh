# shellcheck shell=bash
# What the scripts share. Sourced by them, from anywhere; they then work from the top of the repository.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The Ethereum tools of the npm lock file come before those of the machine.
export PATH="$root/target/tools/bin:$root/node_modules/.bin:$PATH"

say() {
  if [ -t 2 ]; then printf '\033[1m==> %s\033[0m\n' "$*" >&2; else printf '==> %s\n' "$*" >&2; fi
}

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

have() {
  command -v "$1" >/dev/null 2>&1
}

# Whether dotted version $1 is at least $2.
at_least() {
  [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# The first dotted version number of a program's own words, without what follows the numbers.
version_of() {
  local said
  said=$("$@" 2>/dev/null) || return 1
  printf '%s' "$said" | sed -n 's/^[^0-9]*\([0-9][0-9]*\.[0-9][0-9]*\(\.[0-9][0-9]*\)*\).*/\1/p' | head -n 1
}

# A program that we do not fetch: require PROGRAM MINIMUM HOW-TO-GET-IT
require() {
  local found
  have "$1" || fail "$1 (at least $2) is missing: $3"
  found=$(version_of "$1" --version) || fail "$1 does not run; try \`$1 --version\`. To get it: $3"
  at_least "$found" "$2" || fail "$1 $found is too old, at least $2 is needed: $3"
}

# The program of Chromium or Chrome: the one that KEEPER_CHROMIUM names, otherwise the first that the machine has.
chromium_program() {
  local program
  if [ -n "${KEEPER_CHROMIUM:-}" ]; then
    command -v "$KEEPER_CHROMIUM" || fail "KEEPER_CHROMIUM names $KEEPER_CHROMIUM, which is no program: name another one, or none"
    return
  fi
  for program in chromium chromium-browser google-chrome google-chrome-stable \
    "/Applications/Chromium.app/Contents/MacOS/Chromium" \
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"; do
    if command -v "$program"; then return; fi
  done
  return 1
}

# Gas of each action of the vault, by the tests that measure it alone: gas_snapshot --check, or --snap FILE to write it.
gas_snapshot() {
  local report
  report=$(forge snapshot --match-contract '^GasTest$' "$@") || { printf '%s\n' "$report" | grep '^Diff in' >&2; return 1; }
}
