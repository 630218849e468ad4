#!/usr/bin/env bash
# Writes charts/rendered/ from the chart with its default values, for review and for config/default.
# `render.sh DIRECTORY` writes there instead: the test compares the two. Needs Helm 4 as `helm`.
set -euo pipefail
charts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
to=${1:-$charts/rendered}
mkdir -p "$to"

# Without the definitions: they are in crds/, and compared there.
render() { helm template ecs-operator "$charts/ecs-operator" --namespace ecs-operator --set crds.install=false "$@"; }

render --no-hooks >"$to/ecs-operator.yaml"
render --show-only templates/uninstall/check.yaml --show-only templates/tests/installation.yaml >"$to/hooks.yaml"
