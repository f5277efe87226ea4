#!/bin/sh
# The stack of docker-compose.yaml, with whichever Compose there is.
# usage: scripts/stack.sh up           start it and wait until a prediction succeeds; the images are there already
#        scripts/stack.sh COMMAND ...  any other command of Compose's: ps, logs, exec, down --volumes, ...
# PROFILES=replicas,observe adds services. STAND_IN=1 has images of our own stand in for those that are pulled.
set -eu

cd "$(dirname "$0")/.."
export COMPOSE_PROFILES="${PROFILES:-}"

die() {
    echo "stack: $*" >&2
    exit 1
}

if docker compose version >/dev/null 2>&1; then
    compose() { docker compose "$@"; }
elif command -v docker-compose >/dev/null; then
    compose() { docker-compose "$@"; }
else
    die "Docker Compose was not found (Debian: apt-get install docker.io docker-compose)"
fi
docker info >/dev/null 2>&1 || die "no Docker Engine answers: start it, or see to it that you may use it"

stack() { compose --file docker-compose.yaml "$@"; }
if [ -n "${STAND_IN:-}" ]; then
    stack() { compose --file docker-compose.yaml --file deploy/stand-in/compose.yaml "$@"; }
    # A machine that is confined so far may not let containers have more files than it has.
    most=$(ulimit -Hn)
    if [ "$most" != unlimited ] && [ "$most" -lt 65536 ]; then
        export OPEN_FILES="${OPEN_FILES:-$most}"
    fi
fi

# Whether a profile is asked for.
profile() {
    case ",${PROFILES:-}," in
        *",$1,"*) ;;
        *) return 1 ;;
    esac
}

# A knob: the shell's, else that of .env.
knob() {
    eval "value=\${$1:-}"
    echo "${value:-$(sed -n "s/^$1=//p" .env)}"
}

# Ask for a prediction until there is one.
wait_for() {
    example='{"features": [3000.0, 45.0, 10.0, 100.0, 20.0, 200.0, 220.0, 230.0, 180.0, 150.0, 0, 0]}'
    tries=0
    until answer=$(curl --silent --fail --max-time 5 "$1/predict" -H 'content-type: application/json' -d "$example"); do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || die "no prediction from $1 within two minutes; scripts/stack.sh logs tells more"
        sleep 1
    done
    echo "stack: $1/predict answers $answer" >&2
}

if [ "$*" != up ]; then
    stack "$@"
    exit
fi
if [ -n "${STAND_IN:-}" ]; then
    ! profile observe || die "nothing stands in for Grafana; for Prometheus alone: $0 up --detach --build prometheus"
    stack build storage
    ! profile replicas || stack build balancer
fi
stack up --detach --no-build
wait_for "http://$(knob BIND):$(knob INFERENCE_PORT)"
! profile replicas || wait_for "http://$(knob BIND):$(knob BALANCER_PORT)"
echo "stack: Locust is at http://$(knob BIND):$(knob LOCUST_PORT), MLflow at http://$(knob BIND):$(knob MLFLOW_PORT)" >&2
