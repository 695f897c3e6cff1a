#!/bin/sh
# Sees to the programs that `make test` and `make bench` need. Quick when all are there. On Debian as root it
# installs the missing ones; elsewhere it names them in one line and fails.
set -eu

purpose=${1:-test}
missing=""

# need PACKAGE COMMAND...: PACKAGE is missing unless COMMAND succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

have() {
    command -v "$1" || [ -x "/usr/sbin/$1" ]
}

java_is_17_or_newer() {
    java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | {
        read -r major
        [ "$major" -ge 17 ]
    }
}

java_package() {
    if apt-cache show openjdk-17-jdk-headless 2>/dev/null | grep -q '^Version'; then
        echo openjdk-17-jdk-headless
    else
        echo default-jdk-headless
    fi
}

check() {
    missing=""
    need make have make
    need g++ have g++
    need perl have perl
    need git have git
    need maven have mvn
    need openjdk-17-jdk-headless java_is_17_or_newer
    need prometheus have promtool
    need chromium have chromium
    need python3-venv python3 -c 'import ensurepip, venv'
    if [ "$purpose" = bench ]; then
        need postfix have smtp-sink
    fi
}

# Installs without a question and without starting a service: only the programs are wanted.
install() {
    export DEBIAN_FRONTEND=noninteractive
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
    fi
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections 2>/dev/null || true
    apt-get -qq update
    packages=$(echo "$missing" | sed "s/openjdk-17-jdk-headless/$(java_package)/")
    # shellcheck disable=SC2086 # a list of words on purpose
    apt-get -qq install -y --no-install-recommends $packages
}

check
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing what the ${purpose} needs:$missing"
    install >&2
    check
    [ -z "$missing" ] && exit 0
fi
echo "missing for 'make $purpose' (Debian package names):$missing" >&2
exit 1
