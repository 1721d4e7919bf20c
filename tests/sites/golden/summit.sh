#!/bin/bash -l
#BSUB -P Project
#BSUB -q batch
#BSUB -nnodes 2
#BSUB -W 90
#BSUB -rn
#BSUB -o /project/c/ambs-7.lsf
#BSUB -alloc_flags smt4
exec > /project/c/ambs-7.output 2> /project/c/ambs-7.error
export http_proxy=http://proxy.ccs.ornl.gov:3128
export https_proxy=http://proxy.ccs.ornl.gov:3128
export AMBS_SITE=summit
export AMBS_FOLDER=/project/c
export AMBS_ALLOCATION=7
cd /project/c || exit 1
exec /opt/ambs/bin/ambs launch --campaign 'two words'
