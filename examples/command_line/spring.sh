#!/bin/sh
# Simulate a damped spring released at 1 and print how badly it settles: overshoot, lateness and effort.
# Any program will do that prints a line `AMBS-RESULT: <number or JSON object>`.
set -eu
for argument in "$@"; do
    case $argument in
        --stiffness=*) stiffness=${argument#*=} ;;
        --damping=*) damping=${argument#*=} ;;
        euler | midpoint) integrator=$argument ;;
        *) echo "spring.sh: unknown argument $argument" >&2; exit 2 ;;
    esac
done
exec awk -v k="$stiffness" -v c="$damping" -v method="$integrator" 'BEGIN {
    dt = 0.005; x = 1; v = 0; lateness = 0; overshoot = 0; effort = 0
    for (t = 0; t < 20; t += dt) {
        a = -k * x - c * v
        if (method == "midpoint") {
            xm = x + v * dt / 2; vm = v + a * dt / 2
            x += vm * dt; v += (-k * xm - c * vm) * dt
        } else {
            x += v * dt; v += a * dt
        }
        if (x > 1e6 || x < -1e6) { print "spring.sh: unstable" > "/dev/stderr"; exit 1 }
        lateness += t * (x < 0 ? -x : x) * dt
        effort += 0.001 * (a < 0 ? -a : a) * dt
        if (-x > overshoot) overshoot = -x
    }
    printf "AMBS-RESULT: {\"objective\": %.6f, \"overshoot\": %.6f}\n", lateness + 10 * overshoot + effort, overshoot
}'
