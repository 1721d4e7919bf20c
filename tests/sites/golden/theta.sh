#!/bin/bash -l
#COBALT -n 128
#COBALT -t 90
#COBALT -q default
#COBALT -A Project
#COBALT --attrs filesystems=home,theta-fs0
#COBALT -O /project/c/ambs-7
module unload trackdeps darshan xalt
export PMI_NO_FORK=1
export https_proxy=http://theta-proxy.tmi.alcf.anl.gov:3128
export AMBS_SITE=theta
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
