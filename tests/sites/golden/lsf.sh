#!/bin/bash -l
#BSUB -n 2
#BSUB -R "span[ptile=1]"
#BSUB -x
#BSUB -W 90
#BSUB -rn
#BSUB -o /project/c/ambs-7.lsf
exec > /project/c/ambs-7.output 2> /project/c/ambs-7.error
export AMBS_SITE=lsf
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
