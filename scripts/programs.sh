#!/bin/sh
# Install the programs and Node packages that some tests need, from apt (if possible) and npm. What
# is missing is named, and its tests are skipped. With RTMON_STRICT=1 that is an error instead.
has() {
    for program; do command -v "$program" >/dev/null && return; done
    return 1
}
missing() {
    has chromium chromium-browser || echo chromium fonts-dejavu-core
    has prometheus || echo prometheus
    has node || echo nodejs
    has npm || echo npm
    has openssl || echo openssl
    has redis-server || echo redis-server
    has nginx /usr/sbin/nginx || echo nginx
}
some_are_skipped() {
    if [ "$RTMON_STRICT" = 1 ]; then
        echo "Some tests cannot run, and RTMON_STRICT=1: $1" >&2
        exit 1
    fi
    echo "Some tests will be skipped: $1"
}

packages=$(missing)
why="as root on Debian, make would install it"
if [ -n "$packages" ] && grep -qx 'ID=debian' /etc/os-release 2>/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing from apt for the tests:" $packages
    # Tests start their own servers, so keep apt from starting the installed ones as services.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    fi
    patiently='-qq -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300'
    { apt-get update $patiently && DEBIAN_FRONTEND=noninteractive \
        apt-get install $patiently -y --no-install-recommends $packages; } >/dev/null
    case $packages in *prometheus*) update-rc.d prometheus disable >/dev/null 2>&1 ;; esac
    case $packages in *redis*) update-rc.d redis-server disable >/dev/null 2>&1 ;; esac
    case $packages in *nginx*) update-rc.d nginx disable >/dev/null 2>&1 ;; esac
    packages=$(missing)
    why="apt could not install it"
fi
[ -z "$packages" ] || some_are_skipped "there is no $(echo $packages) ($why)."
if has node && has npm; then
    .venv/bin/python -m tests.peers.packages || some_are_skipped "they need Node's packages."
fi
