#!/usr/bin/env bash
# up.sh - a throw-away Slurm cluster of N pretended nodes on this one machine.
#
#   up.sh DIR [options]            start it (idempotent: a healthy one is left as it is)
#     --nodes N        nodes n1..nN                     (default 8)
#     --cpus N         CPUs each node declares          (default 16; need not exist)
#     --threads N      hardware threads of each core    (default 1): --cpus then counts cores
#     --reserved N     cores of each node that Slurm keeps for the system (CoreSpecCount, default 0)
#     --gpus N         fake GPUs per node, 0 for none   (default 4)
#     --mem MB         memory each node declares        (default 32000)
#     --port P         first TCP port; P .. P+N are used (default 16817)
#     --isolate MODE   none | uts | netns               (default none)
#                      none : every node says the same hostname, all share 127.0.0.1
#                      uts  : node i says hostname n<i>, which resolves to 127.0.1.<i> (root)
#                      netns: every node is a network namespace of its own with its own loopback,
#                             hostname and 10.231.<K>.0/24 address; a login node "login" too (root)
#     --job-age S      MinJobAge: how long a finished job stays visible (default 300; 2 is the least)
#     --node-timeout S SlurmdTimeout: a node whose slurmd is gone is DOWN, its jobs NODE_FAIL, after about
#                      2 times that (default 60; 10 gives ~25 s)
#     --no-install     never call apt-get
#
# Everything it writes is under DIR, but for the Debian packages (slurm-wlm munge), which bring /etc/slurm, /etc/munge and the users munge and slurm; none of
# those files is used here.  No systemd, no cgroups.  Daemons are found again by their pid files.
set -euo pipefail
die(){ echo "slurm: $*" >&2; exit 1; }
[ $# -ge 1 ] || die "usage: up.sh DIR [--nodes N] [--cpus N] [--threads N] [--reserved N] [--gpus N] [--mem MB] [--port P] [--isolate none|uts|netns] [--job-age S] [--node-timeout S] [--no-install]"
DIR=$1; shift
NODES=8 CPUS=16 THREADS=1 RESERVED=0 GPUS=4 MEM=32000 PORT=16817 ISO=none AGE=300 DOWN=60 INSTALL=1
while [ $# -gt 0 ]; do case $1 in
  --nodes) NODES=$2; shift 2;; --cpus) CPUS=$2; shift 2;; --gpus) GPUS=$2; shift 2;;
  --threads) THREADS=$2; shift 2;; --reserved) RESERVED=$2; shift 2;;
  --mem) MEM=$2; shift 2;; --port) PORT=$2; shift 2;; --isolate) ISO=$2; shift 2;;
  --job-age) AGE=$2; shift 2;; --node-timeout) DOWN=$2; shift 2;; --no-install) INSTALL=0; shift;;
  *) die "unknown option $1";; esac; done
case $ISO in none|uts|netns) ;; *) die "--isolate none|uts|netns";; esac
[ "$ISO" = none ] || [ "$(id -u)" = 0 ] || die "--isolate needs root"

# ---- packages
need=(); command -v slurmctld >/dev/null || PATH=$PATH:/usr/sbin:/sbin
command -v slurmctld >/dev/null && command -v slurmd >/dev/null && command -v sbatch >/dev/null || need+=(slurm-wlm)
command -v munged >/dev/null || need+=(munge)
[ "$ISO" = none ] || command -v unshare >/dev/null || need+=(util-linux)
[ "$ISO" != netns ] || command -v ip >/dev/null || need+=(iproute2)
if [ ${#need[@]} -gt 0 ]; then
  [ $INSTALL = 1 ] && [ "$(id -u)" = 0 ] || die "missing packages: ${need[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # a start of the packages' own daemons would take the default ports: forbid it if nothing else does
  made=0; [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; made=1; }
  apt-get -qq -y --no-install-recommends install "${need[@]}" >/dev/null 2>&1 || {
    apt-get -qq update && apt-get -qq -y --no-install-recommends install "${need[@]}" >/dev/null || die "apt-get install ${need[*]} failed"; }
  [ $made = 0 ] || rm -f /usr/sbin/policy-rc.d
fi

# ---- paths
mkdir -p "$DIR"; DIR=$(cd "$DIR" && pwd -P)
[ ${#DIR} -le 80 ] || die "DIR is too long: the munge socket's path would pass 108 bytes"
export SLURM_CONF=$DIR/etc/slurm.conf
ME=$(id -un); HOST=$(hostname -s)
alive(){ # pidfile word : a live (not zombie) process that we started, with that word in its command line
  local p; p=$(cat "$1" 2>/dev/null) || return 1; [ -n "$p" ] && [ -r /proc/$p/stat ] || return 1
  case $(sed 's/.*) //' /proc/$p/stat 2>/dev/null) in Z*|'') return 1;; esac
  [ -z "$2" ] || tr '\0' ' ' </proc/$p/cmdline | grep -qF -- "$2"; }
want=$(printf '%s\n' "$NODES $CPUS $THREADS $RESERVED $GPUS $MEM $PORT $ISO $AGE $DOWN")
NS=; if [ "$ISO" = netns ]; then
  # a short tag of our own, so that several clusters and other people's namespaces do not meet
  TAG=s$(printf %s "$DIR" | cksum | cut -d' ' -f1 | cut -c1-5); K=$(( $(printf %s "$DIR" | cksum | cut -d' ' -f1) % 250 + 1 ))
  NS="$DIR/login"
fi
ready(){ [ "$(timeout 5 $NS sinfo -h -r -N -p batch -t idle,alloc,mix -o %N 2>/dev/null | sort -u | wc -l)" = "$NODES" ]; }
usage(){
  cat <<U
Slurm $(slurmctld -V | awk '{print $2}'), $NODES nodes (n1..n$NODES), $CPUS CPUs ($THREADS threads each, $RESERVED reserved) and $GPUS fake GPUs each, is up in $DIR
  use it:   . $DIR/env.sh ; sinfo ; sbatch -N4 --ntasks-per-node=1 --gres=gpu:4 -t 5 job.sh${NS:+
            (netns: prefix commands with \$SLURM_NS, i.e. "$NS", to be on the login node)}
  partitions: batch (default, 24 h at most), debug (n1,n2, 10 min at most)
  logs:     $DIR/log   ; finished jobs: $DIR/log/jobcomp.log
  down:     down.sh $DIR [--purge]
U
}
if [ -f "$DIR/want" ] && [ "$(cat "$DIR/want")" = "$want" ] && alive "$DIR/run/slurmctld.pid" "$DIR" && ready; then usage; exit 0; fi
if [ -d "$DIR/run" ]; then  # half up, or other options: take it down first (that cancels its jobs)
  "$(dirname "$(readlink -f "$0")")/down.sh" "$DIR" >/dev/null || true
fi
umask 022
mkdir -p "$DIR"/{etc,state,spool,log,run,dev,munge}; chmod 711 "$DIR/munge"; chmod 755 "$DIR"
# the munge daemon refuses a socket or key below a directory that others may write to (unless sticky)
printf '%s\n' "$want" >"$DIR/want.new"

# ---- namespaces
cat >"$DIR/etc/hosts" <<H
127.0.0.1 localhost
H
NODEADDR=127.0.0.1; CTLADDR=127.0.0.1; CTLHOST=$HOST
case $ISO in
 none) echo "127.0.0.1 $HOST" >>"$DIR/etc/hosts";;
 uts) echo "127.0.0.1 $HOST" >>"$DIR/etc/hosts"; for i in $(seq $NODES); do echo "127.0.1.$i n$i" >>"$DIR/etc/hosts"; done
      NODEADDR="127.0.1.[1-$NODES]";;
 netns) echo "10.231.$K.250 login" >>"$DIR/etc/hosts"; for i in $(seq $NODES); do echo "10.231.$K.$i n$i" >>"$DIR/etc/hosts"; done
      NODEADDR="10.231.$K.[1-$NODES]"; CTLADDR=10.231.$K.250; CTLHOST=login
      echo "$TAG" >"$DIR/netns-tag"; ip netns add ${TAG}-login; ip -n ${TAG}-login link set lo up
      ip -n ${TAG}-login link add br0 type bridge; ip -n ${TAG}-login addr add $CTLADDR/24 dev br0; ip -n ${TAG}-login link set br0 up
      for i in $(seq $NODES); do ns=${TAG}-n$i; ip netns add $ns; ip -n $ns link set lo up
        ip -n ${TAG}-login link add v$i type veth peer name eth0 netns $ns
        ip -n ${TAG}-login link set v$i master br0 up
        ip -n $ns addr add 10.231.$K.$i/24 dev eth0; ip -n $ns link set eth0 up; done
      ;;
esac
# run a daemon "on" node i (or on the login node, i empty), in the foreground of a session of its own;
# every step below is an exec, so $! is the daemon's own pid.  (Left to daemonise, a slurmd that cannot
# register writes no pid file, and one told to stop then can hang: it would be lost.)
on(){ local name=$1 i=$2; shift 2
  local pre=()
  case $ISO in
   uts) [ -z "$i" ] || pre=(unshare --uts --mount sh -c 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"' sh "n$i" "$DIR/etc/hosts");;
   netns) local n=${i:+n$i}; n=${n:-login}  # not "ip netns exec": its fresh /sys hides /sys/fs/cgroup
      pre=(nsenter --net=/run/netns/${TAG}-$n unshare --uts --mount sh -c 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"' sh "$n" "$DIR/etc/hosts");;
  esac
  setsid "${pre[@]}" "$@" </dev/null >"$DIR/log/$name.out" 2>&1 &
  echo $! >"$DIR/run/$name.pid"; }

# ---- munge, with a key and a socket of its own
[ -s "$DIR/munge/munge.key" ] || { head -c 1024 /dev/urandom >"$DIR/munge/munge.key"; chmod 400 "$DIR/munge/munge.key"; }
alive "$DIR/munge/munged.pid" "$DIR" || munged --key-file="$DIR/munge/munge.key" --socket="$DIR/munge/munge.socket" \
  --pid-file="$DIR/munge/munged.pid" --log-file="$DIR/munge/munged.log" --seed-file="$DIR/munge/munged.seed" --num-threads=2 \
  || die "munged did not start: $(tail -1 "$DIR/munge/munged.log" 2>/dev/null)"

# ---- fake GPUs: slurmd wants character devices; a link to /dev/null passes, and its last number
#      becomes the job's CUDA_VISIBLE_DEVICES
GRES=; : >"$DIR/etc/gres.conf"
if [ "$GPUS" -gt 0 ]; then
  for g in $(seq 0 $((GPUS-1))); do ln -sfn /dev/null "$DIR/dev/fakegpu$g"; done
  GRES="Gres=gpu:$GPUS"; last=$((GPUS-1)); rng="[0-$last]"; [ $last = 0 ] && rng=0
  echo "NodeName=n[1-$NODES] Name=gpu File=$DIR/dev/fakegpu$rng" >"$DIR/etc/gres.conf"
fi

# ---- accounting
ACCT="AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$DIR/log/jobcomp.log"
# ---- slurm.conf
: >"$DIR/etc/plugstack.conf"
# slurmd 22.05 loads a cgroup plugin whatever else is set; "autodetect" stops it where /sys/fs/cgroup
# is missing, and cgroup/v2 wants systemd's dbus.  v1 named outright asks for neither.
echo CgroupPlugin=cgroup/v1 >"$DIR/etc/cgroup.conf"
cat >"$SLURM_CONF" <<C
ClusterName=fake
SlurmctldHost=$CTLHOST($CTLADDR)
SlurmctldPort=$PORT
AuthType=auth/munge
AuthInfo=socket=$DIR/munge/munge.socket
CredType=cred/munge
SlurmUser=$ME
SlurmdUser=$ME
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
SlurmctldPidFile=$DIR/run/slurmctld.own
SlurmdPidFile=$DIR/run/slurmd-%n.own
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
PlugStackConfig=$DIR/etc/plugstack.conf
MailProg=/bin/true
# no cgroups, no pinning, no PMIx
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
# declared hardware wins over what slurmd finds
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=60
SlurmdTimeout=$DOWN
# SIGTERM to SIGKILL
KillWait=5
MinJobAge=$AGE
MaxArraySize=1001
EnforcePartLimits=ALL
# quick scheduling, for tests
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=0
PriorityType=priority/basic
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
$ACCT
$([ "$GPUS" -gt 0 ] && echo GresTypes=gpu)
NodeName=n[1-$NODES] NodeHostname=$([ $ISO = none ] && echo "$HOST" || echo "n[1-$NODES]") NodeAddr=$NODEADDR Port=[$((PORT+1))-$((PORT+NODES))] Sockets=1 CoresPerSocket=$CPUS ThreadsPerCore=$THREADS$([ $RESERVED = 0 ] || echo " CoreSpecCount=$RESERVED") RealMemory=$MEM $GRES State=UNKNOWN
PartitionName=batch Nodes=ALL Default=YES MaxTime=24:00:00 DefaultTime=00:05:00 State=UP
PartitionName=debug Nodes=n[1-$((NODES<2?NODES:2))] MaxTime=00:10:00 DefaultTime=00:01:00 State=UP
C
if [ "$ISO" = netns ]; then cat >"$DIR/login" <<C
#!/bin/sh
exec nsenter --net=/run/netns/${TAG}-login unshare --uts --mount sh -c 'hostname login; mount --bind "\$1" /etc/hosts; shift; exec "\$@"' sh "$DIR/etc/hosts" "\$@"
C
  chmod 755 "$DIR/login"; fi
cat >"$DIR/env.sh" <<C
export SLURM_CONF=$SLURM_CONF
export SLURM_NS="$NS"
C

# ---- daemons
on slurmctld "" slurmctld -D -f "$SLURM_CONF"
for i in $(seq $NODES); do mkdir -p "$DIR/spool/n$i"; on slurmd-n$i $i slurmd -D -f "$SLURM_CONF" -N n$i; done
mv "$DIR/want.new" "$DIR/want"
for _ in $(seq 150); do ready && break
  for n in slurmctld $(seq -f slurmd-n%g $NODES); do alive "$DIR/run/$n.pid" "" || die "$n ended: $(tail -n 2 "$DIR/log/$n.log" "$DIR/log/$n.out" 2>/dev/null)"; done
  sleep 0.1; done
ready || { $NS sinfo -N -l >&2 || true; die "not all nodes came up in 30 s: see $DIR/log"; }
usage
