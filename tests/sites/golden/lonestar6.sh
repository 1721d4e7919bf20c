#!/bin/bash -l
#SBATCH --nodes=2
#SBATCH --time=90
#SBATCH --account=Project
#SBATCH --ntasks-per-node=1
#SBATCH --partition=normal
#SBATCH --no-requeue
#SBATCH --no-kill
#SBATCH --output=/project/c/ambs-7.output
#SBATCH --error=/project/c/ambs-7.error
export AMBS_SITE=lonestar6
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
