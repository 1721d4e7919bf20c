#!/bin/bash -l
#PBS -l select=2
#PBS -l place=scatter:excl
#PBS -l walltime=01:30:00
#PBS -r n
#PBS -j oe
#PBS -o /project/c/ambs-7.pbs
exec > /project/c/ambs-7.output 2> /project/c/ambs-7.error
export AMBS_SITE=pbs
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
