#!/bin/sh
# Install the servers that the benchmarks compare with, from apt, npm and pip. A server that cannot
# be installed is named, and the benchmarks skip it.
cd "$(dirname "$0")/.." || exit 1

has() {
    command -v "$1" >/dev/null
}
missing() {
    [ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || echo nginx libnginx-mod-nchan
    has nats-server || echo nats-server
    has node && has npm || echo nodejs npm
}

packages=$(missing)
if [ -n "$packages" ]; then
    if grep -qx 'ID=debian' /etc/os-release 2>/dev/null && [ "$(id -u)" = 0 ]; then
        echo "Installing from apt for the benchmarks:" $packages
        # Benchmarks start their own servers, so keep apt from starting the installed ones as services.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
        fi
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq -y --no-install-recommends $packages; } >/dev/null ||
            echo "apt could not install all of them."
    else
        echo "As root on Debian, make would install" $packages
    fi
fi

if has npm; then
    (cd benchmarks/peers && npm ci --silent --no-audit --no-fund) || echo "npm could not install ws and socket.io."
fi

.venv/bin/python -m pip install -qq --constraint constraints.txt picows ||
    echo "pip could not install picows."
