#!/bin/sh
# Have the programs that some tests run: from apt where that is possible, else say what is skipped.
# With RTMON_STRICT=1 nothing may be skipped.
has() {
    for program; do command -v "$program" >/dev/null && return; done
    return 1
}
missing() {
    has chromium chromium-browser || echo chromium fonts-dejavu-core
    has prometheus || echo prometheus
    has node || echo nodejs
    has npm || echo npm
}

packages=$(missing)
[ -z "$packages" ] && exit 0
if grep -qx 'ID=debian' /etc/os-release 2>/dev/null && [ "$(id -u)" = 0 ]; then
    echo "Installing from apt for the tests:" $packages
    # Tests start their own servers: none is to run from now on because we came by.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    fi
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends $packages; } >/dev/null
    case $packages in *prometheus*) update-rc.d prometheus disable >/dev/null 2>&1 ;; esac
    packages=$(missing)
    [ -z "$packages" ] && exit 0
    why="apt could not install it"
else
    why="as root on Debian, make would install it"
fi
if [ "$RTMON_STRICT" = 1 ]; then
    echo "Some tests cannot run, and RTMON_STRICT=1, without" $packages "($why)." >&2
    exit 1
fi
echo "Some tests will be skipped without" $packages "($why)."
