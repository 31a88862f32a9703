#!/bin/sh
# Renders the chart with both sets of values into plain/, for those who do without Helm (kubectl apply -k plain/small).
# A test keeps plain/ equal to what this writes.
set -eu
cd "$(dirname "$0")"
for set in small production; do
  mkdir -p "${1:-plain}/$set"
  "${HELM:-helm}" template attain attain --namespace attain --kube-version 1.34.0 --values "attain/values-$set.yaml" \
    >"${1:-plain}/$set/attain.yaml"
done
