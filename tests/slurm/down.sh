#!/usr/bin/env bash
# down.sh DIR [--purge] - stop what up.sh DIR started; --purge also removes DIR.
# Only the processes named in DIR's own pid files, and the job steps below DIR's spool, are ended, by pid.
set -uo pipefail
[ $# -ge 1 ] && [ -d "$1" ] || { echo "usage: down.sh DIR [--purge]" >&2; exit 1; }
DIR=$(cd "$1" && pwd -P); export SLURM_CONF=$DIR/etc/slurm.conf; PATH=$PATH:/usr/sbin:/sbin
[ -d "$DIR/run" ] || { echo "slurm: nothing of mine in $DIR"; exit 0; }
NS=$(sed -n 's/^export SLURM_NS="\(.*\)"/\1/p' "$DIR/env.sh" 2>/dev/null)
ours(){ # pid word: alive, no zombie, and its command line has that word
  [ -n "$1" ] && [ -r "/proc/$1/stat" ] || return 1
  case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in Z*|'') return 1;; esac
  tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF -- "$2"; }
live(){ # names of pid files whose process lives
  local f p w; for f in "$@"; do [ -f "$f" ] || continue; p=$(cat "$f"); w=$DIR
    ours "$p" "$w" && echo "$p"; done; }
stop(){ # pid files: TERM, up to 5 s, KILL
  local p; for p in $(live "$@"); do kill "$p" 2>/dev/null; done
  for _ in $(seq 50); do [ -z "$(live "$@")" ] && return; sleep 0.1; done
  for p in $(live "$@"); do kill -9 "$p" 2>/dev/null; done; }
if [ -n "$(live "$DIR/run/slurmctld.pid")" ]; then
  timeout 5 $NS scancel --quiet --user="$(id -un)" >/dev/null 2>&1
  for _ in $(seq 50); do [ -z "$(timeout 5 $NS squeue -h 2>/dev/null)" ] && break; sleep 0.2; done
  for p in $(timeout 5 $NS squeue -h -o %A 2>/dev/null); do timeout 5 $NS scancel --quiet -s KILL "$p"; done
fi
stop "$DIR/run/slurmctld.pid" "$DIR"/run/slurmd-*.pid
# steps that outlived their slurmd: their stepd keeps a socket <spool>/<node>/<node>_<job>.<step>, and
# Linux names that path in /proc/net/unix; the process is found by its working folder or open socket
for p in $(pgrep -x slurmstepd); do [ "$(readlink "/proc/$p/cwd" 2>/dev/null | grep -cF "$DIR/")" = 1 ] && kill -9 "$p"; done
stop "$DIR/munge/munged.pid"
rm -f "$DIR"/run/*.pid "$DIR"/run/*.own "$DIR/munge/munged.pid" "$DIR/want"
if [ -s "$DIR/netns-tag" ]; then T=$(cat "$DIR/netns-tag")
  for ns in $(ip netns list | awk '{print $1}' | grep "^$T-"); do ip netns del "$ns"; done; rm -f "$DIR/netns-tag"; fi
[ "${2:-}" = --purge ] && rm -rf "$DIR"
echo "slurm: $DIR is down"
