#!/usr/bin/env bash
# Installs the Debian packages of packages.txt whose command is missing; says what to do where it may not.
set -euo pipefail

# Where Debian keeps daemons; not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin
missing=()
while read -r package command _; do
    [[ -z "$package" || "$package" == "#"* ]] && continue
    command -v "$command" >/dev/null || missing+=("$package")
done <"$(dirname "$0")/../packages.txt"
[[ ${#missing[@]} -eq 0 ]] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "The tests need these programs, which this system does not have: ${missing[*]}" >&2
    exit 1
fi
if [[ $(id -u) -ne 0 ]]; then
    echo "The tests need some Debian packages. Install them as root, then run this again:" >&2
    echo "  sudo apt-get update && sudo apt-get install --yes --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Debian starts services it installs; the tests start their own. 101 is policy-rc.d's word for "not allowed".
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
apt-get install -qq --yes --no-install-recommends "${missing[@]}" </dev/null >/dev/null
