#!/bin/bash -l
#PBS -A Project
#PBS -q prod
#PBS -l select=256
#PBS -l place=scatter:excl
#PBS -l walltime=01:30:00
#PBS -l filesystems=home:flare
#PBS -r n
#PBS -j oe
#PBS -o /project/c/ambs-7.pbs
#PBS -W tolerate_node_failures=all
exec > /project/c/ambs-7.output 2> /project/c/ambs-7.error
export http_proxy=http://proxy.alcf.anl.gov:3128
export https_proxy=http://proxy.alcf.anl.gov:3128
export no_proxy=localhost,127.0.0.1,.alcf.anl.gov
export ZE_FLAT_DEVICE_HIERARCHY=COMPOSITE
export AMBS_SITE=aurora
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
