# Shared set-up of ./scripts/demo and ./scripts/test; sourced, not run.
# A fresh clone on a Debian 12 machine with Node 20 needs nothing else: pnpm goes to .tools/, Debian packages are
# installed when root, everything is built.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
export TURBO_TELEMETRY_DISABLED=1 NO_UPDATE_NOTIFIER=1 CI="${CI:-true}"

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

need_node() {
  command -v node >/dev/null || die "Node.js 20.15 or later is needed (Debian: see https://nodejs.org)"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 15) ? 0 : 1)' ||
    die "Node.js 20.15 or later is needed, this is $(node --version)"
}

# The pnpm named in package.json, in a folder of the checkout: nothing global is touched.
need_pnpm() {
  local wanted
  wanted=$(node -p 'require("./package.json").packageManager.split("@")[1]')
  if [ "$(.tools/node_modules/.bin/pnpm --version 2>/dev/null)" != "$wanted" ]; then
    mkdir -p .tools
    npm install --prefix .tools --no-audit --no-fund --loglevel=error "pnpm@$wanted" >/dev/null || die "pnpm could not be installed"
  fi
  export PATH="$root/.tools/node_modules/.bin:$PATH"
}

# need_debian PACKAGE…: installs what is missing; services are not started by it.
need_debian() {
  local missing=() package policy=/usr/sbin/policy-rc.d made=
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  [ "$(id -u)" = 0 ] || die "these Debian packages are missing (root could install them): ${missing[*]}"
  say "installing Debian packages: ${missing[*]}"
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=1; fi
  { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; }; } >/tmp/wapiti-apt.$$ 2>&1
  local code=$?
  [ -n "$made" ] && rm -f $policy
  [ $code = 0 ] || { cat /tmp/wapiti-apt.$$ >&2; rm -f /tmp/wapiti-apt.$$; die "apt-get failed"; }
  rm -f /tmp/wapiti-apt.$$
}

set_up() {
  need_node
  need_pnpm
  say "installing dependencies"
  pnpm install --frozen-lockfile --prefer-offline --reporter=silent || pnpm install --frozen-lockfile || die "pnpm install failed"
  say "building"
  pnpm exec turbo run build --output-logs=errors-only --concurrency=2 || die "the build failed"
}
