#!/bin/bash -l
#COBALT -n 2
#COBALT -t 90
#COBALT -q default
#COBALT -A Project
#COBALT --attrs nox11:filesystems=home,theta-fs0
#COBALT -O /project/c/ambs-7
export AMBS_SITE=cooley
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
