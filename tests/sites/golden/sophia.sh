#!/bin/bash -l
#PBS -A Project
#PBS -q by-gpu
#PBS -l select=4
#PBS -l walltime=01:30:00
#PBS -l filesystems=home:eagle
#PBS -r n
#PBS -o /project/c/ambs-7.output
#PBS -e /project/c/ambs-7.error
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
