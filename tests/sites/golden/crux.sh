#!/bin/bash -l
#PBS -A Project
#PBS -q workq-route
#PBS -l select=2:system=crux
#PBS -l place=scatter:excl
#PBS -l walltime=01:30:00
#PBS -l filesystems=home:eagle
#PBS -r n
#PBS -j oe
#PBS -o /project/c/ambs-7.pbs
exec > /project/c/ambs-7.output 2> /project/c/ambs-7.error
export http_proxy=http://proxy.alcf.anl.gov:3128
export https_proxy=http://proxy.alcf.anl.gov:3128
export no_proxy=localhost,127.0.0.1,.alcf.anl.gov
export AMBS_SITE=crux
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
